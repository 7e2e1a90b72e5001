import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { aacFmtp, packetizeAac } from "@xiezhi/rtsp/packetize.ts";
import type { RtpSource } from "@xiezhi/rtsp/rtp.ts";
import { startRtspServer } from "@xiezhi/rtsp/server.ts";
import { AAC_FRAME_SAMPLES, CodecBench, clickedAac, loudest } from "../codec/testing.ts";
import { startTestMicrophone, storedTrack, until } from "./testing.ts";
import { spoolFiles } from "./tracks/spool-files.ts";
import type { FromWorker } from "./wire.ts";
import { Worker } from "./worker.ts";

const RATE = 44_100;
const SECONDS = 20;

/** An encoder that sends two microphones as the channels of one AAC track; its sound is heard from when somebody connects. */
async function startEncoder(clicksS: readonly (readonly number[])[]) {
  const { format, frames } = clickedAac({ rate: RATE, seconds: SECONDS, clicksS });
  const fmtp = aacFmtp(format.config);
  return startRtspServer({
    clock,
    streams: () => ({
      tracks: [{ kind: "audio", encoding: "MPEG4-GENERIC", clockRate: RATE, channels: 2, payloadType: 97, fmtp }],
      subscribe(sink) {
        const source: RtpSource = { payloadType: 97, ssrc: 5, sequence: 65_530 };
        const beganUs = clock.monoUs();
        let next = 0;
        const timer = clock.every(10, () => {
          const due = ((clock.monoUs() - beganUs) * RATE) / 1e6 / AAC_FRAME_SAMPLES;
          for (; next < Math.min(due, frames.length); next++)
            sink.send(0, packetizeAac(frames[next] as Buffer, next * AAC_FRAME_SAMPLES, source));
        });
        return () => timer.cancel();
      },
    }),
  });
}

/** A worker in this process, on the real wire and with the real codec worker, and what it has told. */
function makeWorker(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "xz-"));
  const heard: FromWorker[] = [];
  const worker = new Worker({
    workerId: "w1",
    clock,
    log: { write: () => {} },
    files: spoolFiles,
    tell: (message) => heard.push(message),
    live: { header: () => {}, chunk: () => {} },
  });
  t.after(async () => {
    await worker.end();
    rmSync(folder, { recursive: true, force: true });
  });
  const last = <K extends FromWorker["kind"]>(kind: K) =>
    heard.findLast((message) => message.kind === kind) as (FromWorker & { kind: K }) | undefined;
  const take = join(folder, "take");
  /** A take that begins with what the rings hold; answers its tick 0. */
  const begin = async () => {
    const t0Us = await until(async () => {
      await worker.obey({ kind: "prepare" });
      return Math.floor(last("prepared")?.oldestUs ?? 0);
    });
    await worker.obey({ kind: "record", takeId: "t", folder: take, t0Us, expectedFromUs: clock.monoUs() });
    return t0Us;
  };
  return { worker, take, begin, heard, last };
}

test("two microphones in one AAC track of 44.1 kHz are stored as two tracks of AAC-LC mono 48 kHz", async (t) => {
  const halves = Array.from({ length: SECONDS * 2 }, (_, index) => index / 2);
  const encoder = await startEncoder([halves.map((second) => second + 0.1), halves.map((second) => second + 0.3)]);
  const codec = new CodecBench();
  const { worker, take, begin, heard, last } = makeWorker(t);
  t.after(async () => {
    await encoder.close();
    await codec.close();
  });
  const tracks = [0, 1].map((channel) => ({ id: `mic-${channel}`, number: channel + 1, kind: "audio" as const, rtspTrack: 0, channel }));
  const url = `rtsp://127.0.0.1:${encoder.port}/microphones`;
  await worker.obey({ kind: "configure", sources: [{ id: "mics", url, role: "evidence", tracks }], codecSocket: codec.socketPath });
  await worker.obey({ kind: "warm", on: true });
  await until(() => last("state")?.tracks.every(({ state }) => state === "running"));
  await worker.obey({ kind: "levels", on: true });
  await begin();
  const storedS = (track: { id: string; number: number }) => (storedTrack(take, track).parcels.at(-1)?.ticks ?? 0) / 48_000;
  await until(() => tracks.every((track) => storedS(track) > 1.4));
  await worker.obey({ kind: "stop" });
  const clickS = tracks.map((track) => {
    const { gaps, stretches } = storedTrack(take, track);
    assert.deepEqual([gaps, stretches], [[], 1]);
    const folder = join(take, "tracks", track.id);
    const samples = codec.heard(...["0.init.mp4", "000000.m4s"].map((name) => readFileSync(join(folder, name))));
    return loudest(samples, 1, 0.25);
  });
  // 0.2 s from the left channel's click to the right one's, 0.3 s on to the left one's.
  const apart = (clickS[1]! - clickS[0]! + 0.5) % 0.5;
  assert.ok(Math.abs(apart - 0.2) < 0.005, `${apart} s apart`);
  const levels = heard.flatMap((message) => (message.kind === "levels" ? message.levels : []));
  for (const { number } of tracks) assert.ok(levels.some(([of, , peak]) => of === number && peak > -12));
});

test("a codec worker that is away when a take is paused or ends costs it nothing: what it misses is waited for", async (t) => {
  const microphone = await startTestMicrophone();
  const codec = new CodecBench();
  const { worker, take, begin, last } = makeWorker(t);
  t.after(async () => {
    await microphone.close();
    await codec.close();
  });
  const track = { id: "mic", number: 1, kind: "audio" as const, rtspTrack: 0 };
  const source = { id: "mic", url: microphone.url, role: "evidence" as const, tracks: [track] };
  await worker.obey({ kind: "configure", sources: [source], codecSocket: codec.socketPath });
  await worker.obey({ kind: "warm", on: true });
  await until(() => last("state")?.tracks.every(({ state }) => state === "running"));
  const t0Us = await begin();
  const stored = () => storedTrack(take, track);
  const endsUs = () => stored().parcels.reduce((_, { ticks, durationTicks }) => ((ticks + durationTicks) * 1e6) / 48_000, 0);
  await until(() => endsUs() > 0);
  const passes = (us: number, fromUs = clock.monoUs()) => until(() => clock.monoUs() > fromUs + us);
  const halts = async (order: "pause" | "stop") => {
    await codec.kill();
    await passes(0.5e6);
    const haltedUs = clock.monoUs();
    const halted = worker.obey({ kind: order });
    await passes(1.2e6);
    codec.start();
    await halted;
    const missingUs = haltedUs - t0Us - endsUs();
    assert.ok(missingUs < 400e3, `${order}: ${missingUs} µs are missing`);
  };
  await halts("pause");
  await worker.obey({ kind: "resume" });
  await until(() => clock.monoUs() - t0Us - endsUs() < 1e6);
  await halts("stop");
  assert.deepEqual(stored().gaps, []);
});
