import { spawn } from "node:child_process";
import { once } from "node:events";
import type { SoundFormat, VideoFormat } from "../capture/unit.ts";
import { ChunkHeads } from "../mp4/chunk-head.ts";
import { headerOf, type SimulatedMedia } from "./blind-media.ts";

const RATE = 48_000;
const FRAME_SAMPLES = 1024;
const FRAMES_A_SECOND = 25;
const PICTURE_TICKS = 90_000 / FRAMES_A_SECOND;
/** Pictures repeat after so long. */
const CLIP_S = 4;
const WIDTH = 320;
const HEIGHT = 180;

/**
 * Chunks that decode: small H.264 pictures with a key frame each second, and for each sound track silence with one second of
 * tone where `tonesAtS` (by track number) says. Encoded by GStreamer's command line; needs some tenths of a second.
 */
export async function realMedia(seconds: number, tonesAtS: Readonly<Record<number, number>>): Promise<SimulatedMedia> {
  const units = picturesOf(await gst("videotestsrc", `num-buffers=${CLIP_S * FRAMES_A_SECOND}`, ...PICTURES));
  const sounds = new Map<number, Buffer[]>();
  for (const [track, atS] of Object.entries(tonesAtS)) sounds.set(Number(track), framesOf(await gst(...SOUND, samples(seconds, atS))));
  const video = videoFormat(units);
  const heads = new ChunkHeads();
  const chunk = (ticks: number, key: boolean, durationTicks: number, data: Buffer) => [
    heads.write({ sequence: 1, ticks, key, compositionOffset: 0, samples: [{ bytes: data.length, durationTicks }] }),
    data,
  ];
  return {
    header: (kind) => headerOf(kind === "video" ? video : AAC),
    second: (kind, fromTicks, track) => {
      if (kind === "video") {
        const second = (fromTicks / 90_000) % CLIP_S;
        const shown = units.slice(second * FRAMES_A_SECOND, (second + 1) * FRAMES_A_SECOND);
        const pieces = shown.flatMap(({ data, key }, at) => chunk(fromTicks + at * PICTURE_TICKS, key, PICTURE_TICKS, data));
        return { pieces, ticks: fromTicks, durationTicks: 90_000 };
      }
      const first = Math.ceil(fromTicks / FRAME_SAMPLES);
      const frames = (sounds.get(track) ?? []).slice(first, Math.ceil((fromTicks + RATE) / FRAME_SAMPLES));
      const pieces = frames.flatMap((frame, at) => chunk((first + at) * FRAME_SAMPLES, true, FRAME_SAMPLES, frame));
      return { pieces, ticks: first * FRAME_SAMPLES, durationTicks: frames.length * FRAME_SAMPLES };
    },
  };
}

const PICTURES = [
  "!",
  `video/x-raw,format=I420,framerate=${FRAMES_A_SECOND}/1,width=${WIDTH},height=${HEIGHT}`,
  ..."! x264enc speed-preset=ultrafast key-int-max=25 bframes=0 aud=true bitrate=300".split(" "),
  ..."! video/x-h264,stream-format=byte-stream,alignment=au,profile=baseline ! fdsink fd=1".split(" "),
];
const SOUND = [
  ..."fdsrc fd=0 ! rawaudioparse format=pcm pcm-format=s16le".split(" "),
  ...`sample-rate=${RATE} num-channels=1 ! audioconvert ! avenc_aac bitrate=96000 ! aacparse`.split(" "),
  ..."! audio/mpeg,stream-format=adts ! fdsink fd=1".split(" "),
];
const AAC: SoundFormat = {
  kind: "audio",
  codec: "mp4a.40.2",
  sampleRate: RATE,
  channels: 1,
  config: Buffer.from([0x11, 0x88]),
  frameSamples: FRAME_SAMPLES,
  sourceRate: RATE,
};

/** What a pipeline writes to its standard output; a Buffer last in the list is its standard input. */
async function gst(...words: (string | Buffer)[]): Promise<Buffer> {
  const input = words.filter((word) => typeof word !== "string");
  const child = spawn("gst-launch-1.0", ["-q", ...words.filter((word) => typeof word === "string")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  child.stdin.end(Buffer.concat(input));
  await once(child, "close");
  return Buffer.concat(pieces);
}

/** Silence with one second of a 1 kHz tone. */
function samples(seconds: number, toneAtS: number): Buffer {
  const pcm = new Int16Array(seconds * RATE);
  for (let at = 0; at < RATE && toneAtS * RATE + at < pcm.length; at++)
    pcm[toneAtS * RATE + at] = 8000 * Math.sin((2 * Math.PI * 1000 * at) / RATE);
  return Buffer.from(pcm.buffer);
}

/** AAC frames without their ADTS headers (ISO/IEC 13818-7 6.2); the first is the encoder's own lead-in and left out. */
function framesOf(adts: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 7 <= adts.length; ) {
    const length = (adts.readUInt32BE(at + 3) >>> 13) & 0x1fff;
    const head = ((adts[at + 1] as number) & 1) === 1 ? 7 : 9;
    frames.push(adts.subarray(at + head, at + length));
    at += length;
  }
  return frames.slice(1);
}

/** Access units (split at their delimiters) with NAL lengths instead of start codes. */
function picturesOf(stream: Buffer): { nals: Buffer[]; data: Buffer; key: boolean }[] {
  const units: Buffer[][] = [];
  for (const nal of nalsOf(stream)) {
    if (nalType(nal) === 9) units.push([]);
    units.at(-1)?.push(nal);
  }
  return units.map((nals) => ({
    nals,
    data: Buffer.concat(nals.flatMap((nal) => [length(nal), nal])),
    key: nals.some((nal) => nalType(nal) === 5),
  }));
}

/** ISO/IEC 14496-10 Annex B. */
function nalsOf(stream: Buffer): Buffer[] {
  const nals: Buffer[] = [];
  const mark = Buffer.from([0, 0, 1]);
  for (let at = stream.indexOf(mark); at >= 0; ) {
    const next = stream.indexOf(mark, at + 3);
    let end = next < 0 ? stream.length : next;
    while (end > at && stream[end - 1] === 0) end--;
    nals.push(stream.subarray(at + 3, end));
    at = next;
  }
  return nals;
}

function videoFormat(units: readonly { nals: Buffer[] }[]): VideoFormat {
  const nals = units[0]?.nals ?? [];
  const sps = nals.filter((nal) => nalType(nal) === 7);
  const pps = nals.filter((nal) => nalType(nal) === 8);
  return { kind: "video", codec: `avc1.${sps[0]?.toString("hex", 1, 4)}`, width: WIDTH, height: HEIGHT, sps, pps, sourceRate: 90_000 };
}

function nalType(nal: Buffer): number {
  return (nal[0] ?? 0) & 0x1f;
}

function length(nal: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(nal.length, 0);
  return bytes;
}
