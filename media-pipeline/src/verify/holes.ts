import type { InterruptionModel, TakeModel, TrackModel } from "@xiezhi/ledger/model.ts";
import type { Problems } from "./problems.ts";

/** Cameras are not exact about the length of a picture, and the press of a button lies between two. */
const SLACK_US = 2e6;
/** After a pause a picture comes back with its next key frame: part of the pause. */
const AFTER_PAUSE_US = 12e6;

interface Span {
  fromUs: number;
  toUs: number;
}

/** Time in which a track that was expected gave nothing, and no gap or interruption says so. */
export function findHoles(model: TakeModel, problems: Problems): void {
  const startUs = model.marks.find((mark) => mark.type === "start")?.takeUs ?? 0;
  for (const track of model.tracks) {
    for (const hole of holesOf(track, startUs, model.end?.takeUs)) {
      const pauses = model.interruptions.map((pause) => pauseIn(hole, pause, model.lengthUs));
      for (const rest of without(
        hole,
        [...track.gaps, ...pauses].sort((a, b) => a.fromUs - b.fromUs),
      )) {
        if (rest.toUs - rest.fromUs <= SLACK_US) continue;
        const seconds = ((rest.toUs - rest.fromUs) / 1e6).toFixed(1);
        problems.add(
          "undeclared",
          { track: track.id, atSeconds: rest.fromUs / 1e6 },
          `有 ${seconds} 秒无数据且未声明`,
          `${seconds} s without anything, and no entry says why`,
        );
      }
    }
  }
}

/** From the start to the first segment, between segments, and to the end of the take. */
function* holesOf(track: TrackModel, startUs: number, endUs: number | undefined): Generator<Span> {
  const us = (ticks: number) => (ticks / track.timescale) * 1e6;
  let fromUs = startUs;
  for (const segment of track.segments) {
    if (us(segment.fromTicks) > fromUs) yield { fromUs, toUs: us(segment.fromTicks) };
    fromUs = Math.max(fromUs, us(segment.toTicks));
  }
  if (endUs !== undefined && endUs > fromUs) yield { fromUs, toUs: endUs };
}

/** A pause that the hole begins in lasts until the picture is back. */
function pauseIn(hole: Span, { fromUs, toUs = Number.POSITIVE_INFINITY }: InterruptionModel, lengthUs: number): Span {
  return { fromUs, toUs: Math.min(hole.fromUs <= toUs ? toUs + AFTER_PAUSE_US : toUs, lengthUs) };
}

/** What is left of a span; `covers` are sorted by their beginning. */
function* without(span: Span, covers: readonly Span[]): Generator<Span> {
  let { fromUs } = span;
  for (const cover of covers) {
    if (cover.fromUs >= span.toUs) break;
    if (cover.fromUs > fromUs) yield { fromUs, toUs: cover.fromUs };
    fromUs = Math.max(fromUs, cover.toUs);
  }
  if (span.toUs > fromUs) yield { fromUs, toUs: span.toUs };
}
