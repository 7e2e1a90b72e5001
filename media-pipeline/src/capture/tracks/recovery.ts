import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readExactly } from "@xiezhi/base/files.ts";
import { type FoundChunk, walkChunks } from "../../mp4/walker.ts";
import { type GapReason, journalLines, type ParcelLine, type SourceLine } from "../../spool/journal.ts";
import { takeFolder } from "../../spool/take-folder.ts";
import { SOUND_TIMESCALE, VIDEO_TIMESCALE } from "../unit.ts";
import type { SpoolFiles } from "./spool-files.ts";
import type { TrackPosition } from "./track-writer.ts";

interface RecoveredTrack {
  id: string;
  number: number;
  kind: "video" | "audio";
}

/** What a worker before this one left of a track in a take. */
export interface LeftTrack {
  position: TrackPosition & { endTicks: number };
  /** Parcels that it had written but not named; for the journal. */
  found: ParcelLine[];
  /** What its source was doing when it was last heard of. */
  source: SourceLine | undefined;
}

interface Named {
  stretch: number;
  last: ParcelLine | undefined;
  source: SourceLine | undefined;
}

/** What the journals of a take's folder say of each track, whatever worker wrote them. Empty in a new take. */
export function readJournals(folder: string): Map<number, Named> {
  const named = new Map<number, Named>();
  const of = (track: number): Named => {
    const found = named.get(track) ?? { stretch: 0, last: undefined, source: undefined };
    named.set(track, found);
    return found;
  };
  const journals = takeFolder.journals(folder);
  for (const name of existsSync(journals) ? readdirSync(journals) : [])
    for (const line of journalLines(join(journals, name))) {
      if ("stretch" in line) of(line.stretch.track).stretch = line.stretch.stretch + 1;
      if ("parcel" in line) of(line.parcel.track).last = line.parcel;
      if ("source" in line) of(line.source.track).source = line.source;
    }
  return named;
}

/**
 * Finds out where a track stands. Whole chunks behind the last parcel that the journal names become parcels; a torn end is
 * cut off (the only bytes that are ever taken away, and they never were a unit).
 */
export function recoverTrack(files: SpoolFiles, folder: string, track: RecoveredTrack, named: Named | undefined): LeftTrack {
  const { stretch = 0, last, source } = named ?? {};
  const endTicks = last ? last.ticks + last.durationTicks : 0;
  const left: LeftTrack = { position: { stretch, segment: 0, sequence: last ? last.sequence + 1 : 0, endTicks }, found: [], source };
  if (stretch > 0) findParcels(files, folder, track, left, last);
  return left;
}

function findParcels(files: SpoolFiles, folder: string, track: RecoveredTrack, left: LeftTrack, last: ParcelLine | undefined): void {
  let segment = last ? (last.closesSegment ? last.segment + 1 : last.segment) : 0;
  let offset = last && !last.closesSegment ? last.offsetInSegment + last.bytes : 0;
  for (; existsSync(takeFolder.segment(folder, track.id, segment)); segment++, offset = 0) {
    const descriptor = files.open(takeFolder.segment(folder, track.id, segment));
    try {
      const tail = readExactly(descriptor, offset, Math.max(0, files.sizeOf(descriptor) - offset));
      const groups = [...groupedIntoParcels(walkChunks(tail), track.kind)];
      for (const [index, group] of groups.entries())
        left.found.push(parcelOf(group, tail, offset, track.number, segment, left.position, index === groups.length - 1));
      const end = groups.at(-1)?.at(-1);
      files.truncate(descriptor, offset + (end ? end.offset + end.bytes : 0));
      // An empty file gets its number again.
      if (offset === 0 && !end) break;
    } finally {
      files.close(descriptor);
    }
  }
  left.position.segment = segment;
}

/** By the rules of TrackWriter. */
function* groupedIntoParcels(chunks: Iterable<FoundChunk>, kind: "video" | "audio"): Generator<FoundChunk[]> {
  const timescale = kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
  let group: FoundChunk[] = [];
  for (const chunk of chunks) {
    const first = group[0];
    if (first && ((kind === "video" && chunk.key) || chunk.ticks + chunk.durationTicks - first.ticks > timescale)) {
      yield group;
      group = [];
    }
    group.push(chunk);
  }
  if (group.length > 0) yield group;
}

function parcelOf(
  group: readonly FoundChunk[],
  tail: Buffer,
  tailOffset: number,
  track: number,
  segment: number,
  position: LeftTrack["position"],
  closesSegment: boolean,
): ParcelLine {
  const first = group[0] as FoundChunk;
  const last = group.at(-1) as FoundChunk;
  const bytes = tail.subarray(first.offset, last.offset + last.bytes);
  position.endTicks = last.ticks + last.durationTicks;
  return {
    track,
    stretch: position.stretch - 1,
    sequence: position.sequence++,
    ticks: first.ticks,
    durationTicks: position.endTicks - first.ticks,
    bytes: bytes.length,
    digest: createHash("sha256").update(bytes).digest("hex"),
    segment,
    offsetInSegment: tailOffset + first.offset,
    key: first.key,
    // Whether something was lost before is not known any more; the gap that follows says that a worker died.
    damaged: false,
    closesSegment,
  };
}

/**
 * What was missing before this worker began: from the end of what is stored (or from where the take expects something),
 * what the source was doing then, then that no worker was there. `diedUs`: the last sign of life of the one before.
 */
export function missingBefore(
  left: LeftTrack,
  track: { kind: "video" | "audio" },
  fromUs: number,
  diedUs: number | undefined,
): { cause: GapReason; fromUs: number }[] {
  if (diedUs === undefined) return [];
  const timescale = track.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
  const endUs = Math.max(Math.round((left.position.endTicks * 1e6) / timescale), fromUs);
  const { source } = left;
  if (source && (source.state === "connecting" || source.state === "waitingKeyFrame") && diedUs > endUs)
    return [
      { cause: source.state, fromUs: endUs },
      { cause: "dead", fromUs: diedUs },
    ];
  return [{ cause: "dead", fromUs: endUs }];
}
