import { readFileSync } from "node:fs";
import { copyFile, mkdir, open, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openCheckpoint, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { type SegmentModel, type TakeModel, TakeModelBuilder, type TrackModel } from "@xiezhi/ledger/model.ts";
import { parseVerifierKey } from "@xiezhi/ledger/note.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { digestOfFile } from "../file-digest.ts";
import { readEntries } from "../ledger-file.ts";
import { writeStretchMp4 } from "../mp4/stretch-mp4.ts";
import { checkEd25519, sha256 } from "../signing.ts";
import { freeBox, storedSegments, type TakeFiles, takeFilesIn } from "../take-files.ts";
import { MANIFEST, type Manifest, manifestFacts, stretchFile } from "./manifest.ts";

const errors = defineErrors("EXPORT", {
  running: (takeId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "RUNNING",
    zh: "录制尚未结束，不能导出",
    en: "the take has not ended",
    details: { takeId },
  }),
  unsigned: (takeId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "UNSIGNED",
    zh: "账本结尾的签名尚未到达",
    en: "the signature over the end of the ledger has not come yet",
    details: { takeId },
  }),
  incomplete: (track: string, what: string) => ({
    code: "UNAVAILABLE",
    reason: "INCOMPLETE",
    zh: `轨道 ${track} 的数据尚未到齐：${what}`,
    en: `track ${track} is not complete here yet: ${what}`,
    details: { track, what },
  }),
});

export interface ExportTake {
  from: TakeFiles;
  /** A folder that is empty or not there. */
  to: string;
  /** The verifier key line of the room; absent: lies at `from.verifierKey`. */
  verifierKey?: string;
  /** A sound mix made before (reading-copy.ts), to be put in. */
  readingCopy?: string;
}

/**
 * Puts together what a person gets of a take (FORMAT.md, export): ledger, signatures, key, headers, segments, one MP4 for each
 * stretch, the reading copy, and a manifest. Copies, never links: who edits an export touches no evidence. Throws EXPORT_RUNNING,
 * EXPORT_UNSIGNED, EXPORT_INCOMPLETE.
 */
export async function exportTake(options: ExportTake): Promise<Manifest> {
  const { from, to } = options;
  const model = modelOf(from.ledger);
  const takeId = model.start?.takeId ?? "";
  const keyLine = (options.verifierKey ?? readFileSync(from.verifierKey, "utf8")).trim();
  if (!model.end) throw errors.running(takeId);
  if (signedSize(from, keyLine) < model.size) throw errors.unsigned(takeId);
  const files = takeFilesIn(to);
  await mkdir(to, { recursive: true });
  await copyFile(from.ledger, files.ledger);
  await copyFile(from.checkpoints, files.checkpoints);
  await writeFile(files.verifierKey, `${keyLine}\n`);
  const derived: string[] = [];
  for (const track of model.tracks) {
    await copyTrack(from, files, track);
    derived.push(...(await writeTrackMp4s(to, files, track)));
  }
  if (options.readingCopy !== undefined) {
    await copyFile(options.readingCopy, join(to, READING_COPY));
    derived.push(READING_COPY);
  }
  const manifest = { ...manifestFacts(model), derived: derived.map((file) => ({ file, ...digestOfFile(join(to, file)) })) };
  await writeFile(join(to, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
  return manifest;
}

/** Where the sound mix lies in an export. */
const READING_COPY = "reading-copy.m4a";

function modelOf(ledger: string): TakeModel {
  const builder = new TakeModelBuilder();
  for (const { entry } of readEntries(ledger)) builder.add(entry);
  return builder.model;
}

function signedSize(from: TakeFiles, keyLine: string): number {
  const last = splitNotes(readFileSync(from.checkpoints, "utf8")).notes.at(-1);
  return last === undefined ? 0 : openCheckpoint(last, parseVerifierKey(sha256, keyLine), checkEd25519).size;
}

async function copyTrack(from: TakeFiles, to: TakeFiles, track: TrackModel): Promise<void> {
  for (const { stretch } of track.stretches) await copyInto(from.header(track.id, stretch), to.header(track.id, stretch), track.id);
  for (const segment of storedSegments(track)) {
    const source = from.segment(track.id, segment.segment);
    const target = to.segment(track.id, segment.segment);
    await copyInto(source, target, track.id);
    await finish(target, segment, track.id);
  }
}

async function copyInto(source: string, target: string, trackId: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  try {
    await copyFile(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw errors.incomplete(trackId, source);
    throw error;
  }
}

/** A spool's file as the store would hold it: as long as the ledger says, free boxes in place of what is lost. */
async function finish(file: string, segment: SegmentModel, trackId: string): Promise<void> {
  const { size } = await stat(file);
  const lostFrom = segment.lostParcels.reduceRight((end, lost) => (lost.offset + lost.bytes === end ? lost.offset : end), segment.bytes);
  if (size < lostFrom) throw errors.incomplete(trackId, `${file}: ${size} of ${segment.bytes} bytes`);
  if (size === segment.bytes && segment.lostParcels.length === 0) return;
  const handle = await open(file, "r+");
  try {
    await handle.truncate(segment.bytes);
    for (const { offset, bytes } of segment.lostParcels) await handle.write(freeBox(bytes), 0, bytes, offset);
  } finally {
    await handle.close();
  }
}

/** Names of the files, relative to `to`. */
async function writeTrackMp4s(to: string, files: TakeFiles, track: TrackModel): Promise<string[]> {
  const written: string[] = [];
  for (const { stretch } of track.stretches) {
    const file = stretchFile(track.id, stretch);
    const segments = storedSegments(track).filter((segment) => segment.stretch === stretch);
    if (segments.length === 0) continue;
    await mkdir(dirname(join(to, file)), { recursive: true });
    const paths = segments.map(({ segment }) => files.segment(track.id, segment));
    if (await writeStretchMp4({ header: files.header(track.id, stretch), segments: paths, to: join(to, file) })) written.push(file);
  }
  return written;
}
