import type { EntryInit } from "@xiezhi/ledger/entries.ts";
import { GapCause } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { AnchorLine, GapReason, JournalLine } from "./journal.ts";

const CAUSES: Record<GapReason, GapCause> = {
  dead: GapCause.DEAD,
  connecting: GapCause.CONNECTING,
  waitingKeyFrame: GapCause.WAITING_KEY_FRAME,
  lostPackets: GapCause.LOST_PACKETS,
  spoolFull: GapCause.SPOOL_FULL,
};

/** The track that a line is about, if it is for the ledger. */
export function ledgerTrack(line: JournalLine): number | undefined {
  if ("stretch" in line) return line.stretch.track;
  if ("parcel" in line) return line.parcel.track;
  if ("gap" in line) return line.gap.track;
  return "anchor" in line ? line.anchor.track : undefined;
}

/** The entry that a journal line becomes; none for what is not for the ledger. `timescale`: ticks a second of a track. */
export function entryOf(line: JournalLine, timescale: (track: number) => number, utcMs: number): EntryInit | undefined {
  const at = (track: number, ticks: number) => ({ takeUs: BigInt(Math.round((ticks * 1e6) / timescale(track))), utcMs: BigInt(utcMs) });
  if ("parcel" in line) {
    const { parcel } = line;
    const value = { ...parcel, sequence: BigInt(parcel.sequence), ticks: BigInt(parcel.ticks), digest: Buffer.from(parcel.digest, "hex") };
    return { ...at(parcel.track, parcel.ticks), what: { case: "parcel", value } };
  }
  if ("stretch" in line) {
    const { headerDigest, anchor, ...stretch } = line.stretch;
    const value = { ...stretch, headerDigest: Buffer.from(headerDigest, "hex"), anchor: anchorOf(anchor) };
    return { ...at(stretch.track, anchor.ticks), what: { case: "stretchStart", value } };
  }
  if ("anchor" in line) return { ...at(line.anchor.track, line.anchor.ticks), what: { case: "anchor", value: anchorOf(line.anchor) } };
  if (!("gap" in line)) return undefined;
  const { gap } = line;
  const parts = gap.parts.map(({ cause, fromUs, toUs }) => ({ cause: CAUSES[cause], fromUs: BigInt(fromUs), toUs: BigInt(toUs) }));
  const value = { track: gap.track, fromUs: BigInt(gap.fromUs), toUs: BigInt(gap.toUs), parts, lostPackets: gap.lostPackets };
  return { takeUs: BigInt(gap.fromUs), utcMs: BigInt(utcMs), what: { case: "gap", value } };
}

function anchorOf(anchor: AnchorLine) {
  const { sourceTicks, ticks, arrivedUtcUs, reportSourceTicks, reportUtcUs, ...rest } = anchor;
  return {
    ...rest,
    sourceTicks: BigInt(Math.round(sourceTicks)),
    ticks: BigInt(ticks),
    arrivedUtcUs: BigInt(arrivedUtcUs),
    ...(reportSourceTicks === undefined ? {} : { reportSourceTicks: BigInt(Math.round(reportSourceTicks)) }),
    ...(reportUtcUs === undefined ? {} : { reportUtcUs: BigInt(reportUtcUs) }),
  };
}
