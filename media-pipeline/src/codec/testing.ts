import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@xiezhi/base/clock.ts";
import { type Chunk, Packager } from "../capture/packager.ts";
import type { AccessUnit } from "../capture/unit.ts";
import { CodecClient } from "./codec.client.ts";

const MAIN = fileURLToPath(new URL("./codec.main.ts", import.meta.url));
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

  /** Plays the chunks as ffmpeg hears them: samples of 48 kHz from tick 0, gaps silent. */
  heard(chunks: readonly Chunk[], header: Buffer): Int16Array {
    const file = join(this.folder, "heard.mp4");
    writeFileSync(file, Buffer.concat([header, ...chunks.flatMap(({ parts }) => parts)]));
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

/** Where it is loudest within ± 100 ms, seconds. */
export function loudest(samples: Int16Array, nearS: number): number {
  let best = -1;
  let at = 0;
  for (let index = Math.round((nearS - 0.1) * 48_000); index < (nearS + 0.1) * 48_000; index++) {
    const value = Math.abs(samples[index] ?? 0);
    if (value > best) [best, at] = [value, index];
  }
  assert.ok(best > 3_000, `nothing is heard at ${nearS} s`);
  return at / 48_000;
}

export function record(units: readonly AccessUnit[]): { chunks: Chunk[]; header: Buffer } {
  const chunks: Chunk[] = [];
  let header = Buffer.alloc(0);
  const packager = new Packager({
    t0Us: T0_US,
    onStretch: ({ bytes }) => (header = Buffer.from(bytes)),
    onChunk: (chunk) => chunks.push(chunk),
  });
  for (const unit of units) packager.push(unit);
  packager.flush();
  return { chunks, header };
}
