import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EntryReader } from "@xiezhi/ledger/entries.ts";
import { type Gap, GapCause, type Parcel, TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

/** What a ledger tells of one track. */
export interface TrackStory {
  id: string;
  kind: "video" | "audio";
  parcels: Parcel[];
  gaps: Gap[];
  /** Take time between parcels that no gap explains, microseconds. */
  holes: { fromUs: number; toUs: number }[];
}

/** The tracks of an export as its ledger tells them, and how many restarts of the agent it knows. */
export function trackStories(exportDir: string): { tracks: TrackStory[]; restarts: number } {
  const entries = [...new EntryReader().push(readFileSync(join(exportDir, "ledger")))].map(({ entry }) => entry.what);
  const start = entries.find((what) => what.case === "takeStart")?.value;
  const tracks = (start?.tracks ?? []).map(({ number, id, kind, timescale }): TrackStory => {
    const parcels = entries.flatMap((what) => (what.case === "parcel" && what.value.track === number ? [what.value] : []));
    const gaps = entries.flatMap((what) => (what.case === "gap" && what.value.track === number ? [what.value] : []));
    return { id, kind: kind === TrackKind.VIDEO ? "video" : "audio", parcels, gaps, holes: holesBetween(parcels, gaps, timescale) };
  });
  return { tracks, restarts: entries.filter((what) => what.case === "restart").length };
}

/** Sums of a gap's parts by cause, milliseconds. */
export function partsMs(gap: Gap): { dead: number; connecting: number; waitingKeyFrame: number; other: number } {
  const sums = { dead: 0, connecting: 0, waitingKeyFrame: 0, other: 0 };
  const names: Partial<Record<GapCause, keyof typeof sums>> = {
    [GapCause.DEAD]: "dead",
    [GapCause.CONNECTING]: "connecting",
    [GapCause.WAITING_KEY_FRAME]: "waitingKeyFrame",
  };
  for (const { cause, fromUs, toUs } of gap.parts) sums[names[cause] ?? "other"] += Number(toUs - fromUs) / 1e3;
  return sums;
}

/** A picture more or less is how its length was guessed; half a picture of 25 a second is 20 ms, one sound frame 21 ms. */
const SLACK_US = 45_000;

function holesBetween(parcels: readonly Parcel[], gaps: readonly Gap[], timescale: number): TrackStory["holes"] {
  const us = (ticks: number) => (ticks * 1e6) / timescale;
  const holes: TrackStory["holes"] = [];
  for (const [at, parcel] of parcels.entries()) {
    const before = parcels[at - 1];
    if (!before) continue;
    const [fromUs, toUs] = [us(Number(before.ticks) + before.durationTicks), us(Number(parcel.ticks))];
    const told = gaps.some((gap) => Number(gap.fromUs) <= fromUs + SLACK_US && Number(gap.toUs) >= toUs - SLACK_US);
    if (toUs - fromUs > SLACK_US && !told) holes.push({ fromUs, toUs });
  }
  return holes;
}
