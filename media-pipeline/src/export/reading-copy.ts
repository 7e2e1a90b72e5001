import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Writable } from "node:stream";
import { type TakeModel, TakeModelBuilder, type TrackModel } from "@xiezhi/ledger/model.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { digestOfFile } from "../file-digest.ts";
import { readEntries } from "../ledger-file.ts";
import { walkChunks } from "../mp4/walker.ts";
import { storedSegments, type TakeFiles } from "../take-files.ts";

const errors = defineErrors("READING_COPY", {
  silent: (takeId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "SILENT",
    zh: "该录制没有声音",
    en: "the take has no sound",
    details: { takeId },
  }),
  failed: (why: string) => ({ code: "INTERNAL", reason: "FAILED", zh: "混音失败", en: "the sound could not be mixed", details: { why } }),
});

export interface ReadingCopy {
  bytes: number;
  sha256: string;
  seconds: number;
  /** Microphones that are in it. */
  tracks: number;
  /** Segments that were not there, and are silent in it: the copy should be made again when they are. */
  missingSegments: number;
}

/**
 * Mixes all microphones of a take into one AAC file for listening, never evidence: each sound at its take time (21 ms late: the
 * encoder's lead-in), silence where there is none. Streams through a GStreamer process; segments that are not there are silent. Throws READING_COPY_SILENT,
 * READING_COPY_FAILED; then nothing lies at `to`.
 */
export async function makeReadingCopy(files: TakeFiles, to: string): Promise<ReadingCopy> {
  const builder = new TakeModelBuilder();
  for (const { entry } of readEntries(files.ledger)) builder.add(entry);
  const { model } = builder;
  const missing = missingSegments(model, files);
  const streams = soundStreams(model, files);
  if (streams.length === 0) throw errors.silent(model.start?.takeId ?? "");
  const beside = `${to}.new`;
  try {
    await mix(streams, beside);
    if ((await stat(beside)).size === 0) throw errors.failed("nothing came out");
    await rename(beside, to);
  } finally {
    await rm(beside, { force: true });
  }
  const tracks = new Set(streams.map(({ track }) => track)).size;
  return { ...digestOfFile(to), seconds: model.lengthUs / 1e6, tracks, missingSegments: missing };
}

/** What one decoder is fed: headers that are alike need only one, whatever stretches they began. */
interface SoundStream {
  track: number;
  /** Take time of its first sound, nanoseconds. */
  fromNs: number;
  files: string[];
}

function soundStreams(model: TakeModel, files: TakeFiles): SoundStream[] {
  return model.tracks.filter(({ kind }) => kind === "audio").flatMap((track) => [...byHeader(track, files).values()]);
}

function byHeader(track: TrackModel, files: TakeFiles): Map<string, SoundStream> {
  const streams = new Map<string, SoundStream>();
  for (const { stretch } of track.stretches) {
    const header = files.header(track.id, stretch);
    const segments = track.segments.filter((segment) => segment.stretch === stretch).map(({ segment }) => files.segment(track.id, segment));
    const here = segments.filter((file) => existsSync(file));
    const fromTicks = firstTicks(here);
    if (fromTicks === undefined || !existsSync(header)) continue;
    const { sha256 } = digestOfFile(header);
    const stream = streams.get(sha256);
    if (stream) stream.files.push(...here);
    else streams.set(sha256, { track: track.number, fromNs: Math.round((fromTicks / track.timescale) * 1e9), files: [header, ...here] });
  }
  return streams;
}

function missingSegments(model: TakeModel, files: TakeFiles): number {
  const sounds = model.tracks.filter(({ kind }) => kind === "audio");
  return sounds.flatMap((track) => storedSegments(track).filter(({ segment }) => !existsSync(files.segment(track.id, segment)))).length;
}

/** Undefined: no chunk is there. */
function firstTicks(segments: readonly string[]): number | undefined {
  for (const file of segments) for (const { ticks } of walkChunks(readFileSync(file))) return ticks;
  return undefined;
}

const FIRST_DESCRIPTOR = 3;

/**
 * Chunks carry take time, but GStreamer counts from the first of each stream: the offsets put that right. Where no stream has
 * sound the mixer gives silence.
 */
async function mix(streams: readonly SoundStream[], to: string): Promise<void> {
  const branches = streams.map(
    (_, at) =>
      `fdsrc fd=${FIRST_DESCRIPTOR + at} ! qtdemux ! aacparse ! avdec_aac ! audioconvert ! audioresample ! ` +
      "audio/x-raw,format=F32LE,rate=48000,channels=1 ! queue max-size-time=2000000000 max-size-bytes=0 max-size-buffers=0 ! " +
      `mix.sink_${at}`,
  );
  const offsets = streams.map(({ fromNs }, at) => `sink_${at}::offset=${fromNs}`).join(" ");
  const description = [
    `audiomixer name=mix ${offsets} ! audio/x-raw,format=F32LE,rate=48000,channels=1 ! queue ! audioconvert !`,
    `avenc_aac bitrate=96000 ! aacparse ! mp4mux faststart=true ! filesink location=${basename(to)}`,
    ...branches,
  ];
  const words = description.join(" ").split(" ");
  const child = spawn("gst-launch-1.0", ["-q", ...words], {
    cwd: dirname(to),
    stdio: ["ignore", "ignore", "pipe", ...streams.map(() => "pipe" as const)],
  });
  const feeds = Promise.allSettled(streams.map((stream, at) => feed(stream, child.stdio[FIRST_DESCRIPTOR + at] as Writable)));
  await endOf(child);
  for (const fed of await feeds) if (fed.status === "rejected") throw errors.failed(String(fed.reason));
}

/** What a decoder that died can't be given any more: it says why by itself. */
const GONE: ReadonlySet<string | undefined> = new Set(["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

/** Throws when a file can't be read: a copy that ends early would look like silence. */
async function feed(stream: SoundStream, input: Writable): Promise<void> {
  input.on("error", () => {});
  try {
    await pipeline(bytesOf(stream), input);
  } catch (error) {
    if (!GONE.has((error as NodeJS.ErrnoException).code)) throw error;
  }
}

async function* bytesOf({ files }: SoundStream): AsyncGenerator<Buffer> {
  for (const file of files) yield* createReadStream(file);
}

const REASON_MAX_CHARACTERS = 2000;

function endOf(child: ChildProcess): Promise<void> {
  let said = "";
  child.stderr?.on("data", (piece: Buffer) => {
    said = (said + piece.toString()).slice(-REASON_MAX_CHARACTERS);
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(errors.failed(error.message)));
    child.once("close", (code) => (code === 0 ? resolve() : reject(errors.failed(said.trim() || `exit ${code}`))));
  });
}
