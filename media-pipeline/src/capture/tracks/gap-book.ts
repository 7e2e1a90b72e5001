import type { GapLine, GapReason } from "../../spool/journal.ts";

/**
 * What a track did not give, told apart by cause. Opened when something ends the flow of stored units, closed by the next
 * stored unit (or by pause and stop), and only then known to be a gap. All times are take time, microseconds.
 */
export class GapBook {
  private parts: { cause: GapReason; fromUs: number }[] = [];
  private lost = 0;

  get open(): boolean {
    return this.parts.length > 0;
  }

  /** From here on nothing comes, because of `cause`; a part that is open ends here. */
  begin(cause: GapReason, fromUs: number): void {
    const last = this.parts.at(-1);
    if (last?.cause === cause) return;
    const at = Math.max(fromUs, last?.fromUs ?? fromUs);
    if (last && last.fromUs === at) this.parts.pop();
    if (this.parts.at(-1)?.cause !== cause) this.parts.push({ cause, fromUs: at });
  }

  countLost(packets: number): void {
    this.lost += packets;
  }

  /** Nothing, if it was no gap. Packets that were lost without costing a unit are a gap of no length. */
  close(track: number, toUs: number): GapLine | undefined {
    const parts = this.parts.filter((part) => part.fromUs < toUs);
    const lostPackets = this.lost;
    this.parts = [];
    this.lost = 0;
    if (parts.length === 0 && lostPackets > 0) parts.push({ cause: "lostPackets", fromUs: toUs });
    const [first] = parts;
    if (!first) return undefined;
    const ends = parts.map((part, index) => ({ ...part, toUs: parts[index + 1]?.fromUs ?? toUs }));
    return { track, fromUs: first.fromUs, toUs, parts: ends, lostPackets };
  }
}
