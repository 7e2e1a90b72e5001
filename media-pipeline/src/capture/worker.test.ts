import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { journalLines } from "../spool/journal.ts";
import { pictureNumbers, startTestCamera, type TestCamera } from "./testing.ts";
import type { FromWorker, SourceSpec } from "./wire.ts";
import { CaptureWorker } from "./worker.client.ts";

const WORKER = fileURLToPath(new URL("worker.main.ts", import.meta.url));

interface Bench {
  folder: string;
  camera: TestCamera;
  take: string;
  start(): Promise<{ child: ChildProcess; worker: CaptureWorker; heard: FromWorker[] }>;
}

async function bench(t: TestContext): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "xz-"));
  const camera = await startTestCamera();
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children) child.kill("SIGKILL");
    await camera.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const socketPath = join(folder, "w1.sock");
  return {
    folder,
    camera,
    take: join(folder, "take"),
    async start() {
      const child = spawn(process.execPath, [WORKER, "--id", "w1", "--socket", socketPath, "--log", join(folder, "w1.log")], {
        stdio: "inherit",
      });
      children.push(child);
      const heard: FromWorker[] = [];
      const events = { onMessage: (message: FromWorker) => heard.push(message), onLive: () => {}, onGone: () => {} };
      const worker = await until(() => CaptureWorker.connect(socketPath, clock, events).catch(() => undefined));
      const source: SourceSpec = {
        id: "cam-judge",
        url: camera.url,
        role: "evidence",
        tracks: [{ id: "cam-judge", number: 1, kind: "video", rtspTrack: 0 }],
      };
      worker.send({ kind: "configure", sources: [source], codecSocket: join(folder, "codec.sock") });
      return { child, worker, heard };
    },
  };
}

async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>, ms = 10_000): Promise<T> {
  for (const endUs = clock.monoUs() + ms * 1e3; clock.monoUs() < endUs; await clock.sleep(20)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error("it did not come");
}

const running = (heard: readonly FromWorker[]) => heard.findLast((message) => message.kind === "state")?.tracks[0]?.state === "running";

/** Numbers of all stored pictures, in the order of the journal's parcels, and the journal itself. */
function stored(take: string) {
  const lines = [...journalLines(join(take, "journal", "w1.ndjson"))];
  const parcels = lines.flatMap((line) => ("parcel" in line ? [line.parcel] : []));
  const gaps = lines.flatMap((line) => ("gap" in line ? [line.gap] : []));
  const numbers = parcels.flatMap((parcel) => {
    const bytes = readFileSync(join(take, "tracks/cam-judge", `${String(parcel.segment).padStart(6, "0")}.m4s`));
    return pictureNumbers(bytes.subarray(parcel.offsetInSegment, parcel.offsetInSegment + parcel.bytes));
  });
  return { parcels, gaps, numbers, stretches: lines.filter((line) => "stretch" in line).length };
}

const missingIn = (numbers: readonly number[]) => numbers.slice(1).filter((number, index) => number !== (numbers[index] as number) + 1);

test("a take begins with the ring, holds every picture, and its parcels follow each other", async (t) => {
  const { take, start } = await bench(t);
  const { worker, heard } = await start();
  worker.send({ kind: "warm", on: true });
  await until(() => running(heard));
  await clock.sleep(700);
  const { oldestUs } = await worker.ask({ kind: "prepare" });
  assert.ok(oldestUs !== null && clock.monoUs() - oldestUs < 2e6);
  const t0Us = Math.floor(oldestUs);
  await worker.ask({ kind: "record", takeId: "t", folder: take, t0Us, expectedFromUs: clock.monoUs() });
  await clock.sleep(3_000);
  const { at } = await worker.ask({ kind: "stop" });
  worker.close();
  const { parcels, gaps, numbers, stretches } = stored(take);
  assert.deepEqual(missingIn(numbers), []);
  assert.ok(numbers.length > 75, `${numbers.length} pictures`);
  assert.equal(stretches, 1);
  assert.deepEqual(gaps, []);
  assert.equal(parcels[0]?.ticks, 0);
  assert.deepEqual(
    parcels.map(({ sequence }) => sequence),
    parcels.map((_, index) => index),
  );
  for (const [index, parcel] of parcels.entries()) {
    assert.ok(parcel.durationTicks <= 90_000);
    const before = parcels[index - 1];
    if (before) assert.equal(parcel.ticks, before.ticks + before.durationTicks);
  }
  const last = parcels.at(-1);
  assert.equal(last && last.ticks + last.durationTicks, at[0]?.ticks);
  assert.equal(last?.closesSegment, true);
  assert.deepEqual(readdirSync(join(take, "tracks/cam-judge")), ["0.init.mp4", "000000.m4s"]);
});
