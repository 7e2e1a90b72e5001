import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@xiezhi/base/clock.ts";
import { type Chunk, Packager } from "../capture/packager.ts";
import type { AccessUnit, SoundFormat } from "../capture/unit.ts";
import { CodecClient } from "./codec.client.ts";

const MAIN = fileURLToPath(new URL("./codec.main.ts", import.meta.url));
export const AAC_FRAME_SAMPLES = 1024;
/** ISO/IEC 14496-3 table 1.18. */
const RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000];
/** Tick 0 of what `record` makes. */
export const T0_US = 1e9;

export function startCodec(socketPath: string): ChildProcess {
  return spawn(process.execPath, [MAIN, "--socket", socketPath], { stdio: ["ignore", "inherit", "inherit"] });
}

export async function stopCodec(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

/** For tests: the real codec worker, a client of it, and ears. */
export class CodecBench {
  readonly client: CodecClient;
  readonly socketPath: string;
  private readonly folder = mkdtempSync(join(tmpdir(), "xiezhi-codec-"));
  private worker: ChildProcess;

  constructor() {
    this.socketPath = join(this.folder, "codec.sock");
    this.worker = startCodec(this.socketPath);
    this.client = new CodecClient({ socketPath: this.socketPath, clock: systemClock });
  }

  start(): void {
    this.worker = startCodec(this.socketPath);
  }

  kill(): Promise<void> {
    return stopCodec(this.worker, "SIGKILL");
  }

  async close(): Promise<void> {
    this.client.close();
    await stopCodec(this.worker, "SIGTERM");
    rmSync(this.folder, { recursive: true });
  }

  /** Plays a header and chunks as ffmpeg hears them: samples of 48 kHz from tick 0, gaps silent. */
  heard(...parts: readonly Buffer[]): Int16Array {
    const file = join(this.folder, "heard.mp4");
    writeFileSync(file, Buffer.concat(parts));
    const filter = "aresample=async=1:first_pts=0:min_hard_comp=0.001";
    const raw = execFileSync("ffmpeg", ["-v", "error", "-i", file, "-af", filter, "-f", "s16le", "-ac", "1", "-ar", "48000", "-"], {
      maxBuffer: 1e9,
    });
    return new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1);
  }
}

/** Looks every 10 ms, for 15 s. */
export async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1500 && !done(); tries++) await systemClock.sleep(10);
  assert.ok(done());
}

interface EncodedSound {
  format: SoundFormat;
  frames: Buffer[];
}

/** For tests: silence with a click of 1 ms at each of `clicksS`, for each channel, as `encodedAac` gives it. */
export function clickedAac(options: { rate: number; seconds: number; clicksS: readonly (readonly number[])[] }): EncodedSound {
  const { rate, seconds, clicksS } = options;
  const channels = clicksS.length;
  const samples = Buffer.alloc(rate * seconds * channels * 2);
  for (const [channel, clicks] of clicksS.entries())
    for (const click of clicks)
      for (let at = Math.round(click * rate); at < (click + 0.001) * rate; at++)
        samples.writeInt16LE(at % 2 === 0 ? 28_000 : -28_000, (at * channels + channel) * 2);
  return encodedAac(rate, channels, samples);
}

/** For tests: 16 bit samples as ffmpeg's AAC, whose frames begin one frame before the sound. */
export function encodedAac(rate: number, channels: number, samples: Buffer): EncodedSound {
  const shape = ["-f", "s16le", "-ar", String(rate), "-ac", String(channels), "-i", "-"];
  const adts = execFileSync("ffmpeg", ["-v", "error", ...shape, "-c:a", "aac", "-b:a", "96k", "-f", "adts", "-"], { input: samples });
  const config = Buffer.from([0x10 | (RATES.indexOf(rate) >> 1), ((RATES.indexOf(rate) & 1) << 7) | (channels << 3)]);
  const facts = { sampleRate: rate, sourceRate: rate, channels, config, frameSamples: AAC_FRAME_SAMPLES };
  return { format: { kind: "audio", codec: "mp4a.40.2", ...facts }, frames: rawFrames(adts) };
}

/** ISO/IEC 14496-3 1.A.3.2: 13 bits of length from bit 30, headers of 7 bytes. */
function rawFrames(adts: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0, bytes = 0; at + 7 <= adts.length; at += bytes) {
    bytes = (adts.readUInt32BE(at + 3) >> 13) & 0x1fff;
    frames.push(adts.subarray(at + 7, at + bytes));
  }
  return frames;
}

/** Where it is loudest around `nearS`, seconds. */
export function loudest(samples: Int16Array, nearS: number, withinS = 0.1): number {
  let best = -1;
  let at = 0;
  for (let index = Math.round((nearS - withinS) * 48_000); index < (nearS + withinS) * 48_000; index++) {
    const value = Math.abs(samples[index] ?? 0);
    if (value > best) [best, at] = [value, index];
  }
  assert.ok(best > 3_000, `nothing is heard at ${nearS} s`);
  return at / 48_000;
}

/** A header and the chunks of these units. */
export function record(units: readonly AccessUnit[]): { chunks: Chunk[]; parts: Buffer[] } {
  const chunks: Chunk[] = [];
  const parts: Buffer[] = [];
  const packager = new Packager({
    t0Us: T0_US,
    onStretch: ({ bytes }) => parts.push(bytes),
    onChunk: (chunk) => {
      chunks.push(chunk);
      parts.push(...chunk.parts);
    },
  });
  for (const unit of units) packager.push(unit);
  packager.flush();
  return { chunks, parts };
}
