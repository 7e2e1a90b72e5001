import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { SimulatedClock, systemClock as clock } from "@xiezhi/base/clock.ts";
import { jsonFrame } from "../framing.ts";
import { holesIn, PICTURES_PER_KEY, startTestCamera, storedTrack, until } from "./testing.ts";
import { spoolFiles } from "./tracks/spool-files.ts";
import type { FromWorker, SourceSpec } from "./wire.ts";
import { CaptureWorker } from "./worker.client.ts";
import { Worker } from "./worker.ts";

const FRAME_TICKS = 3600;

/** A worker in this process, with cameras on the real wire and a disk that can be full. */
async function bench(t: TestContext, cameras = 1) {
  const folder = mkdtempSync(join(tmpdir(), "xz-"));
  const take = join(folder, "take");
  const made = await Promise.all(Array.from({ length: cameras }, startTestCamera));
  const heard: FromWorker[] = [];
  const live: { number: number; key: boolean; bytes: number }[] = [];
  const disk = { refuses: (_path: string) => false };
  const paths = new Map<number, string>();
  const worker = new Worker({
    workerId: "w1",
    clock,
    log: { write: () => {} },
    files: {
      ...spoolFiles,
      open(path) {
        const descriptor = spoolFiles.open(path);
        paths.set(descriptor, path);
        return descriptor;
      },
      write(descriptor, parts, offset) {
        if (disk.refuses(paths.get(descriptor) ?? "")) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
        spoolFiles.write(descriptor, parts, offset);
      },
    },
    tell: (message) => heard.push(message),
    live: {
      header: () => {},
      chunk: (number, _small, key, _arrivedUs, parts) =>
        live.push({ number, key, bytes: parts.reduce((sum, part) => sum + part.length, 0) }),
    },
  });
  t.after(async () => {
    await worker.end();
    await Promise.all(made.map((camera) => camera.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  const tracks = made.map((_, index) => ({ id: `cam-${index + 1}`, number: index + 1 }));
  const sources = made.map(({ url }, index): SourceSpec => {
    const track = { id: `cam-${index + 1}`, number: index + 1, kind: "video" as const, rtspTrack: 0 };
    return { id: track.id, url, role: "evidence", tracks: [track] };
  });
  const last = <K extends FromWorker["kind"]>(kind: K) =>
    heard.findLast((message) => message.kind === kind) as (FromWorker & { kind: K }) | undefined;
  const states = () => last("state")?.tracks.map(({ state }) => state) ?? [];
  const running = () => until(() => states().length === cameras && states().every((state) => state === "running"));
  const codecSocket = join(folder, "codec.sock");
  await worker.obey({ kind: "configure", sources, codecSocket });
  await worker.obey({ kind: "warm", on: true });
  await running();
  /** Answers tick 0. */
  const record = async () => {
    await worker.obey({ kind: "prepare" });
    const t0Us = Math.floor(last("prepared")?.oldestUs ?? Number.NaN);
    await worker.obey({ kind: "record", takeId: "t", folder: take, t0Us, expectedFromUs: clock.monoUs() });
    return t0Us;
  };
  const stored = (index = 0) => storedTrack(take, tracks[index] as (typeof tracks)[number]);
  return { worker, cameras: made, camera: made[0]!, sources, codecSocket, take, heard, last, running, states, record, stored, disk, live };
}

describe("a capture worker", { concurrency: 6 }, () => {
  test("a take begins with the ring and holds every picture; parcels follow each other", async (t) => {
    const { worker, record, stored, last, take, camera } = await bench(t);
    const pressed = camera.made();
    // Another worker of the same take was quicker.
    mkdirSync(join(take, "journal"), { recursive: true });
    writeFileSync(join(take, "journal/w2.ndjson"), `${JSON.stringify({ source: { track: 9, state: "running", atUs: 5 } })}\n`);
    const t0Us = await record();
    assert.ok(clock.monoUs() - t0Us < 2e6);
    await clock.sleep(2_500);
    const stopped = camera.made();
    await worker.obey({ kind: "stop" });
    const { parcels, gaps, numbers, stretches, strays } = stored();
    assert.deepEqual(holesIn(numbers), []);
    assert.ok(
      numbers[0]! <= pressed && numbers.at(-1)! >= stopped - 2,
      `${numbers[0]} to ${numbers.at(-1)}, pressed ${pressed}, stopped ${stopped}`,
    );
    assert.deepEqual([stretches, gaps, strays, parcels[0]?.ticks], [1, [], 0, 0]);
    assert.deepEqual(
      parcels.map(({ sequence }) => sequence),
      [...parcels.keys()],
    );
    for (const [index, parcel] of parcels.entries()) {
      const before = parcels[index - 1];
      assert.ok(parcel.durationTicks <= 90_000);
      // A picture that waited 100 ms for the next one, as on a slow machine, has the last one's length: a tick may lie between.
      if (before) assert.ok(Math.abs(parcel.ticks - before.ticks - before.durationTicks) <= 2, `${before.ticks} to ${parcel.ticks}`);
    }
    const end = parcels.at(-1)!;
    assert.equal(end.ticks + end.durationTicks, last("stopped")?.at[0]?.ticks);
    assert.equal(end.closesSegment, true);
    assert.deepEqual(readdirSync(join(take, "tracks/cam-1")), ["0.init.mp4", "000000.m4s"]);
  });

  test("nothing of a pause is stored, shown or kept in memory; the picture comes back with a key frame", async (t) => {
    const { worker, record, stored, last, camera, live } = await bench(t);
    await record();
    await worker.obey({ kind: "live", main: [1], small: [] });
    await clock.sleep(800);
    assert.ok(live.length > 0 && live[0]?.key);
    await worker.obey({ kind: "pause" });
    const shown = live.length;
    const from = camera.made();
    await clock.sleep(700);
    const to = camera.made();
    assert.equal(live.length, shown);
    await worker.obey({ kind: "prepare" });
    assert.equal(last("prepared")?.oldestUs, null);
    await worker.obey({ kind: "resume" });
    const resumed = await until(() => last("resumed"));
    await clock.sleep(300);
    await worker.obey({ kind: "stop" });
    const { numbers, parcels, gaps, strays } = stored();
    const [hole, ...others] = holesIn(numbers);
    assert.deepEqual([others, gaps, strays], [[], [], 0]);
    assert.ok(hole && hole[0] >= from - 3 && hole[0] <= from, `${hole?.join()} around ${from} to ${to}`);
    assert.ok(hole[1] > to && hole[1] % 25 === 0, `${hole?.join()} around ${from} to ${to}`);
    const back = parcels.find((parcel) => parcel.ticks === resumed.at[0]?.ticks);
    assert.equal(back?.key, true);
    assert.ok(parcels.some((parcel) => parcel.ticks + parcel.durationTicks === last("paused")?.at[0]?.ticks && parcel.closesSegment));
  });

  test("an agent that does not know yet where a camera is costs no picture", async (t) => {
    const { worker, record, stored, camera, states, sources, codecSocket } = await bench(t);
    await record();
    await clock.sleep(300);
    const unknown = sources.map(({ url: _, ...source }): SourceSpec => ({ ...source, reason: "not asked yet" }));
    await worker.obey({ kind: "configure", sources: unknown, codecSocket });
    await clock.sleep(300);
    assert.deepEqual(states(), ["running"]);
    await worker.obey({ kind: "configure", sources, codecSocket });
    await clock.sleep(300);
    const made = camera.made();
    await worker.obey({ kind: "stop" });
    const { numbers, gaps, stretches } = stored();
    assert.deepEqual([holesIn(numbers), gaps, stretches], [[], [], 1]);
    assert.ok(numbers.at(-1)! >= made - 2);
  });

  test("a camera that drops is a gap with its parts, and a new stretch", async (t) => {
    const { worker, record, stored, camera, states } = await bench(t);
    await record();
    await clock.sleep(300);
    camera.server.dropAll();
    await until(() => states()[0] !== "running");
    await until(() => states()[0] === "running");
    await clock.sleep(300);
    await worker.obey({ kind: "stop" });
    const { numbers, gaps, stretches, strays } = stored();
    assert.equal(gaps.length, 1);
    assert.equal(stretches, 2);
    assert.equal(strays, 0);
    const [gap] = gaps;
    assert.deepEqual(
      gap?.parts.map(({ cause }) => cause),
      ["connecting", "waitingKeyFrame"],
    );
    const [hole, ...others] = holesIn(numbers);
    assert.deepEqual(others, []);
    const missing = hole![1] - hole![0] - 1;
    assert.ok(Math.abs((gap.toUs - gap.fromUs) / 40_000 - missing) < 1, `${missing} pictures, gap of ${gap.toUs - gap.fromUs} µs`);
  });

  test("a camera that changes its resolution in mid-take is a new stretch, and no picture is missing", async (t) => {
    const { worker, record, stored, camera } = await bench(t);
    await record();
    camera.wideFrom = Math.ceil((camera.made() + 5) / PICTURES_PER_KEY) * PICTURES_PER_KEY;
    await until(() => camera.made() > camera.wideFrom + 10);
    await worker.obey({ kind: "stop" });
    const { numbers, gaps, stretches, strays } = stored();
    assert.deepEqual([holesIn(numbers), gaps, stretches, strays], [[], [], 2, 0]);
    assert.ok(numbers.includes(camera.wideFrom - 1) && numbers.includes(camera.wideFrom));
  });

  test("lost packets are a gap with their count; what depends on them is marked damaged", async (t) => {
    const { worker, record, stored, camera } = await bench(t);
    await record();
    await clock.sleep(200);
    camera.server.faults.losePackets = 11;
    await clock.sleep(1_300);
    camera.server.faults.losePackets = 0;
    await clock.sleep(1_200);
    await worker.obey({ kind: "stop" });
    const { parcels, gaps, stretches } = stored();
    assert.equal(stretches, 1);
    assert.ok(
      gaps.length > 0 && gaps.every(({ parts, lostPackets }) => parts.every(({ cause }) => cause === "lostPackets") && lostPackets > 0),
    );
    assert.ok(parcels.some((parcel) => parcel.damaged));
    assert.equal(parcels.at(-1)?.damaged, false);
    // Some lost packets held no more than the number of a picture: time is what must add up.
    const storedTicks = parcels.reduce((sum, parcel) => sum + parcel.durationTicks, 0);
    const declaredTicks = gaps.reduce((sum, gap) => sum + (gap.toUs - gap.fromUs) * 0.09, 0);
    const end = parcels.at(-1)!;
    assert.ok(declaredTicks >= FRAME_TICKS && Math.abs(end.ticks + end.durationTicks - storedTicks - declaredTicks) < gaps.length);
  });

  test("a full disk costs the track that it is full for, as long as it is full", async (t) => {
    const { worker, record, stored, disk } = await bench(t, 2);
    await record();
    await clock.sleep(400);
    disk.refuses = (path) => path.includes("cam-1");
    await clock.sleep(1_200);
    disk.refuses = () => true;
    await clock.sleep(300);
    disk.refuses = () => false;
    await clock.sleep(2_300);
    await worker.obey({ kind: "stop" });
    for (const index of [0, 1]) {
      const { parcels, gaps, numbers, strays } = stored(index);
      assert.deepEqual(
        parcels.map(({ sequence }) => sequence),
        [...parcels.keys()],
      );
      assert.deepEqual([...new Set(parcels.map(({ segment }) => segment))], [0, 1]);
      assert.ok(gaps.length > 0 && gaps.every(({ parts }) => parts.every(({ cause }) => cause === "spoolFull")), JSON.stringify(gaps));
      assert.equal(strays, 0);
      const missing = holesIn(numbers).reduce((sum, [before, after]) => sum + after - before - 1, 0);
      const declared = gaps.reduce((sum, gap) => sum + gap.toUs - gap.fromUs, 0) / 40_000;
      assert.ok(missing > (index === 0 ? 37 : 5) && Math.abs(declared - missing) < 1.5, `${missing} pictures, ${declared} declared`);
    }
  });

  test("a source that is away when a take begins is missing from the press on, and joins later", async (t) => {
    const { worker, record, stored, camera, cameras, running, states, last } = await bench(t, 2);
    camera.absent = true;
    camera.server.dropAll();
    await until(() => states()[0] === "connecting");
    await record();
    await clock.sleep(500);
    camera.absent = false;
    await running();
    await clock.sleep(300);
    await worker.obey({ kind: "stop" });
    const late = stored(0);
    assert.deepEqual(
      late.gaps[0]?.parts.map(({ cause }) => cause),
      ["connecting", "waitingKeyFrame"],
    );
    assert.equal(late.parcels[0]?.ticks, Math.round((late.gaps[0].toUs * 90) / 1000));
    assert.deepEqual(stored(1).gaps, []);
    assert.equal(cameras.length, 2);
    assert.ok(last("stopped")!.at.every(({ ticks }) => ticks > FRAME_TICKS));
  });
});

test("a worker that records nothing answers a stop, with no track", async (t) => {
  const { worker, last } = await bench(t, 0);
  await worker.obey({ kind: "stop" });
  assert.deepEqual(last("stopped")?.at, []);
});

test("who asks a worker waits 10 s for a pause and a stop, for sound that must still be encoded, and 5 s for the rest", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "xz-"));
  const silent = createServer().listen(join(folder, "worker.sock"));
  const agents: Socket[] = [];
  silent.on("connection", (agent) => void agents.push(agent.resume()));
  await once(silent, "listening");
  t.after(() => {
    for (const agent of agents) agent.destroy();
    silent.close();
    rmSync(folder, { recursive: true });
  });
  const time = new SimulatedClock();
  const connecting = CaptureWorker.connect(join(folder, "worker.sock"), time, { onMessage: () => {}, onLive: () => {}, onGone: () => {} });
  await once(silent, "connection");
  const say = (message: FromWorker) => agents[0]?.write(jsonFrame(message));
  say({ kind: "hello", workerId: "w1", bootId: "", pid: 1 });
  const worker = await connecting;
  const resumed = assert.rejects(worker.ask({ kind: "resume" }), /does not answer resume/);
  const halted = [worker.ask({ kind: "pause" }), worker.ask({ kind: "stop" })];
  await time.advanceMs(10_000);
  await resumed;
  for (const kind of ["paused", "stopped"] as const) say({ kind, atUs: 1e6, at: [] });
  for (const { atUs } of await Promise.all(halted)) assert.equal(atUs, 1e6);
  worker.close();
});
