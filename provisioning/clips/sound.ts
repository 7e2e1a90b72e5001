import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ClipFacts, ClipIndex } from "@xiezhi/drivers/sim/clips.ts";
import { gstLaunch } from "./gst.ts";
import type { VoicePlan } from "./plan.ts";
import { writeClip } from "./write.ts";

const rate = 48_000;
const aacFrameSamples = 1024;

/** Mono 16-bit little-endian samples at 48 kHz, made to repeat without a break. */
export type Samples = Buffer;

/** The plan's text spoken again and again into a loop of `aacFrames` × 1,024 samples: a whole number of frames in every form. */
export async function speak(plan: VoicePlan, aacFrames: number): Promise<Samples> {
  const how = ["-v", plan.voice, "-p", String(plan.pitch), "-s", String(plan.wordsAMinute), "--stdout", plan.text];
  const { stdout: wav } = await promisify(execFile)("espeak-ng", how, { encoding: "buffer", maxBuffer: 64 << 20 });
  const spoken = await gstLaunch(
    [
      "fdsrc",
      "fd=0",
      "!",
      "wavparse",
      "ignore-length=true",
      "!",
      "audioconvert",
      "!",
      "audioresample",
      "!",
      raw("S16LE", rate),
      "!",
      "fdsink",
      "fd=1",
    ],
    [wav],
  );
  const loop = Buffer.alloc(aacFrames * aacFrameSamples * 2);
  const pauseBytes = rate * 2;
  for (let at = 0; at < loop.length; at += spoken.length + pauseBytes) spoken.copy(loop, at);
  fadeOut(loop, rate / 50);
  return loop;
}

/** The loop's end may fall into a word: 20 ms down to silence instead of a click. */
function fadeOut(loop: Samples, samples: number): void {
  for (let at = 0; at < samples; at++) {
    const byte = loop.length - (samples - at) * 2;
    loop.writeInt16LE(Math.round(loop.readInt16LE(byte) * (1 - at / samples)), byte);
  }
}

/** A 500 Hz tone, a quarter of full scale; repeats without a break when `samples` is a multiple of 96. */
export function tone(samples: number): Samples {
  const loop = Buffer.alloc(samples * 2);
  for (let at = 0; at < samples; at++) loop.writeInt16LE(Math.round(Math.sin((at * 500 * 2 * Math.PI) / rate) * 8192), at * 2);
  return loop;
}

type SoundForm = "aac" | "pcma" | "pcmu" | "l16";

/** Encodes a loop into `<name>-<form>`. */
export async function makeSound(folder: string, recipe: string, name: string, form: SoundForm, loop: Samples): Promise<void> {
  const { facts, bytes, parts } = form === "aac" ? await encodeAac(loop) : await encodePlain(form, loop);
  const frames: ClipIndex["frames"] = parts.map((part) => ({ key: true, parts: [part] }));
  await writeClip(folder, name, form, { ...facts, recipe, frames }, bytes);
}

interface Encoded {
  facts: ClipFacts;
  bytes: Buffer;
  parts: [offset: number, length: number][];
}

/**
 * The loop is encoded three times over and the middle is kept, so its last frame overlaps into its first. One frame is
 * skipped for the encoder's 1,024 samples of delay: frame n decodes to samples n × 1,024 onwards.
 */
async function encodeAac(loop: Samples): Promise<Encoded> {
  const adts = "audio/mpeg,mpegversion=4,stream-format=adts";
  const encoder = ["audioconvert", "!", "avenc_aac", "bitrate=96000", "!", "aacparse", "!", adts, "!", "fdsink", "fd=1"];
  const stream = await gstLaunch(["fdsrc", "fd=0", "!", ...parsed(), "!", ...encoder], [loop, loop, loop]);
  const all = adtsFrames(stream);
  const count = loop.length / 2 / aacFrameSamples;
  const middle = all.slice(count + 1, count * 2 + 1);
  const [first] = middle;
  if (middle.length !== count || !first) throw new Error(`AAC: ${all.length} frames of ${count * 3}`);
  const last = middle.at(-1) ?? first;
  const bytes = stream.subarray(first.at, last.at + last.bytes);
  const parts = middle.map(({ at, bytes: length, header }): [number, number] => [at - first.at + header, length - header]);
  // ISO/IEC 14496-3 1.6.2.1: object type 2 (LC), frequency index 3 (48 kHz), one channel.
  const fmtp = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1188";
  return {
    facts: { kind: "audio", encoding: "MPEG4-GENERIC", clockRate: rate, channels: 1, frameTicks: aacFrameSamples, fmtp },
    bytes,
    parts,
  };
}

/** ISO/IEC 14496-3 1.A.3.2: 13 bits of length from bit 30; the header has 7 bytes, or 9 with a checksum. */
function adtsFrames(stream: Buffer): { at: number; bytes: number; header: number }[] {
  const frames = [];
  for (let at = 0; at + 7 <= stream.length; ) {
    const bytes = (stream.readUInt32BE(at + 3) >> 13) & 0x1fff;
    if (stream.readUInt16BE(at) >> 4 !== 0xfff || bytes < 7) throw new Error(`no ADTS header at byte ${at}`);
    frames.push({ at, bytes, header: (stream.readUInt8(at + 1) & 1) === 1 ? 7 : 9 });
    at += bytes;
  }
  return frames;
}

const plainForms = {
  pcma: { encoding: "PCMA", clockRate: 8_000, frameTicks: 160, sampleBytes: 1, steps: [raw("S16LE", 8_000), "!", "alawenc"] },
  pcmu: { encoding: "PCMU", clockRate: 8_000, frameTicks: 160, sampleBytes: 1, steps: [raw("S16LE", 8_000), "!", "mulawenc"] },
  l16: { encoding: "L16", clockRate: rate, frameTicks: 480, sampleBytes: 2, steps: [raw("S16BE", rate)] },
} as const;

/** G.711 in packets of 20 ms, L16 in packets of 10 ms. The loop is given twice and the second kept: the resampler's edge is in the first. */
async function encodePlain(form: keyof typeof plainForms, loop: Samples): Promise<Encoded> {
  const { encoding, clockRate, frameTicks, sampleBytes, steps } = plainForms[form];
  const words = ["fdsrc", "fd=0", "!", ...parsed(), "!", "audioconvert", "!", "audioresample", "!", ...steps, "!", "fdsink", "fd=1"];
  const loopBytes = (loop.length / 2 / (rate / clockRate)) * sampleBytes;
  const twice = await gstLaunch(words, [loop, loop]);
  const frameBytes = frameTicks * sampleBytes;
  if (twice.length < loopBytes * 2 || loopBytes % frameBytes !== 0) throw new Error(`${form}: ${twice.length} bytes of ${loopBytes * 2}`);
  const parts = Array.from({ length: loopBytes / frameBytes }, (_, at): [number, number] => [at * frameBytes, frameBytes]);
  const facts: ClipFacts = { kind: "audio", encoding, clockRate, channels: 1, frameTicks, fmtp: "" };
  return { facts, bytes: twice.subarray(loopBytes, loopBytes * 2), parts };
}

function parsed(): string[] {
  return ["rawaudioparse", "format=pcm", "pcm-format=s16le", `sample-rate=${rate}`, "num-channels=1"];
}

function raw(format: string, samplesPerSecond: number): string {
  return `audio/x-raw,format=${format},rate=${samplesPerSecond},channels=1,layout=interleaved`;
}
