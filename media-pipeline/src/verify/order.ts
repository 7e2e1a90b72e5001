import type { StoredEntry } from "@xiezhi/ledger/entries.ts";
import type { Parcel, StretchStart, TakeStart } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { ProblemKind, Problems } from "./problems.ts";

/** Longest parcel, bytes: what the uplink carries (FORMAT.md). */
export const PARCEL_MAX_BYTES = 16 * 1024 * 1024;

/** What may still be entered when the take is over. */
const AFTER_END: ReadonlySet<string | undefined> = new Set(["deletion", "seal", "link"]);

interface TrackOrder {
  id: string;
  timescale: number;
  nextSequence: number;
  nextStretch: number;
  segment: number;
  /** Where the next parcel of the open segment lies. */
  offset: number;
  /** The next parcel must begin a segment. */
  closed: boolean;
  ticks: number;
}

/** Whether entries follow each other as a recorder writes them: nothing left out, doubled or moved (FORMAT.md, order). */
export class Order {
  private readonly problems: Problems;
  private readonly tracks = new Map<number, TrackOrder>();
  private ended = false;
  start: TakeStart | undefined;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  add({ index, entry }: StoredEntry): void {
    const { what } = entry;
    const atSeconds = Number(entry.takeUs) / 1e6;
    if ((index === 0) !== (what.case === "takeStart"))
      this.problems.add(
        "malformed",
        { atSeconds },
        `第 ${index} 条：录制开始条目位置不对`,
        `entry ${index}: only the first entry begins a take`,
      );
    if (this.ended && !AFTER_END.has(what.case))
      this.problems.add("inserted", { atSeconds }, `第 ${index} 条在结束条目之后`, `entry ${index} stands after the end of the take`);
    if (what.case === "takeStart") this.begin(what.value);
    else if (what.case === "stretchStart") this.stretch(what.value, atSeconds);
    else if (what.case === "parcel") this.parcel(what.value);
    else if (what.case === "end") this.ended = true;
  }

  finish(): void {
    if (!this.ended)
      this.problems.add(
        "cutOff",
        {},
        "没有结束条目：录制仍在进行，或者结尾被截去",
        "there is no end entry: the take was still running, or its end was cut off",
      );
  }

  private begin(start: TakeStart): void {
    this.start = start;
    if (start.digestAlgorithm !== "SHA-256" || start.signatureAlgorithm !== "Ed25519")
      this.problems.add(
        "malformed",
        {},
        "未知的摘要或签名算法",
        `unknown algorithms: ${start.digestAlgorithm}, ${start.signatureAlgorithm}`,
      );
    for (const { number, id, timescale } of start.tracks)
      this.tracks.set(number, {
        id,
        timescale: Math.max(1, timescale),
        nextSequence: 0,
        nextStretch: 0,
        segment: -1,
        offset: 0,
        closed: true,
        ticks: Number.NEGATIVE_INFINITY,
      });
  }

  private stretch(stretch: StretchStart, atSeconds: number): void {
    const track = this.tracks.get(stretch.track);
    if (!track) return this.unknownTrack(stretch.track, atSeconds);
    if (stretch.stretch !== track.nextStretch)
      this.problems.add(
        stretch.stretch > track.nextStretch ? "removed" : "reordered",
        { track: track.id, atSeconds },
        `段落编号应为 ${track.nextStretch}，实为 ${stretch.stretch}`,
        `stretch ${stretch.stretch} where ${track.nextStretch} was to come`,
      );
    track.nextStretch = stretch.stretch + 1;
    track.closed = true;
  }

  private parcel(parcel: Parcel): void {
    const track = this.tracks.get(parcel.track);
    const ticks = Number(parcel.ticks);
    if (!track) return this.unknownTrack(parcel.track, 0);
    const wrong = (what: ProblemKind, zh: string, en: string) =>
      this.problems.add(
        what,
        { track: track.id, atSeconds: ticks / track.timescale },
        `第 ${sequence} 包：${zh}`,
        `parcel ${sequence}: ${en}`,
      );
    const sequence = Number(parcel.sequence);
    if (sequence !== track.nextSequence)
      wrong(
        sequence > track.nextSequence ? "removed" : "reordered",
        `应为第 ${track.nextSequence} 包`,
        `parcel ${track.nextSequence} was to come`,
      );
    if (parcel.stretch !== track.nextStretch - 1) wrong("malformed", "不属于当前段落", "is not of the present stretch");
    if (ticks < track.ticks) wrong("reordered", "时间倒退", "begins before the one before it");
    if (parcel.bytes === 0 || parcel.bytes > PARCEL_MAX_BYTES || parcel.digest.length !== 32)
      wrong("malformed", "长度或摘要无效", "of no valid length or digest");
    const begins = parcel.segment !== track.segment;
    const segmentFits = begins
      ? parcel.segment === track.segment + 1 && parcel.offsetInSegment === 0
      : !track.closed && parcel.offsetInSegment === track.offset;
    if (!segmentFits) wrong("malformed", "在文件中的位置与前一包不相接", "does not lie where the one before it ends");
    track.nextSequence = sequence + 1;
    track.segment = parcel.segment;
    track.offset = parcel.offsetInSegment + parcel.bytes;
    track.closed = parcel.closesSegment;
    track.ticks = ticks;
  }

  private unknownTrack(number: number, atSeconds: number): void {
    this.problems.add("malformed", { atSeconds }, `未声明的轨道 ${number}`, `an entry of track ${number}, which the take does not have`);
  }
}
