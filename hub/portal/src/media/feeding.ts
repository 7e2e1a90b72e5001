import type { Segment } from "./playlist.ts";

/** How much is kept in memory around the play head, seconds. */
const aheadS = 25;
const behindS = 30;
/** Seams between segments and rounding of a playlist's times, seconds. */
const seamS = 0.15;

export type FeedStep = { do: "append"; segment: Segment } | { do: "remove"; fromS: number; toS: number } | { do: "wait" };

/** What one track's buffer needs next: the segment under the play head first, then those ahead; then what lies far off goes. */
export function nextFeedStep(
  segments: readonly Segment[],
  inMemory: ReadonlySet<string>,
  gone: ReadonlySet<string>,
  atS: number,
): FeedStep {
  const wanted = segments.find(
    (it) => !it.missing && !inMemory.has(it.uri) && !gone.has(it.uri) && endS(it) > atS - seamS && it.startS < atS + aheadS,
  );
  if (wanted) return { do: "append", segment: wanted };
  const far = segments.find((it) => inMemory.has(it.uri) && (endS(it) < atS - behindS || it.startS > atS + 2 * aheadS));
  // A little is left at the later seam: its key frame belongs to the next segment.
  return far ? { do: "remove", fromS: Math.max(0, far.startS), toS: endS(far) - seamS } : { do: "wait" };
}

export type Presence =
  /** Bytes are (or will be) there. */
  | "there"
  /** The take has nothing of this track here: a gap, a pause, before it began. */
  | "nothing"
  /** Not finished yet: the take still records. */
  | "notYet";

/** Whether a track has something to show at a take time. */
export function presenceAt(segments: readonly Segment[], gone: ReadonlySet<string>, running: boolean, atS: number): Presence {
  const last = segments.at(-1);
  if (running && (!last || atS >= endS(last))) return "notYet";
  const found = segments.some((it) => !it.missing && !gone.has(it.uri) && it.startS - seamS <= atS && atS < endS(it) + seamS);
  return found ? "there" : "nothing";
}

export function endS(segment: Segment): number {
  return segment.startS + segment.durationS;
}
