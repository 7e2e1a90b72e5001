import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import type { AccessUnit, SampleUnit } from "../capture/unit.ts";
import { CodecClient, type Levels } from "./codec.client.ts";
import { CodecBench, loudest, record, startCodec, stopCodec, T0_US, until } from "./testing.ts";

let bench: CodecBench;
let client: CodecClient;

before(() => {
  bench = new CodecBench();
  client = bench.client;
});

after(() => bench.close());

/** 20 ms of sound: silence with one click of 1 ms at each of `clicksS`. */
function packet(index: number, rate: number, clicksS: readonly number[], facts: Partial<SampleUnit> = {}): SampleUnit {
  const count = rate / 50;
  const samples = Buffer.alloc(count * 2);
  for (let at = 0; at < count; at++) {
    const second = (index * count + at) / rate;
    if (clicksS.some((click) => second >= click && second < click + 0.001)) samples.writeInt16LE(at % 2 === 0 ? 28_000 : -28_000, at * 2);
  }
  const timeUs = T0_US + index * 20_000;
  return {
    timeUs,
    sourceTicks: 5_000 + index * count,
    arrivedUs: timeUs + 30_000,
    lostPackets: 0,
    discontinuity: false,
    samples,
    ...facts,
  };
}

for (const rate of [8_000, 16_000, 44_100, 48_000])
  test(`a click in samples of ${rate} Hz is heard within 5 ms of where it was`, async () => {
    const units: AccessUnit[] = [];
    const encoding = client.encode({ rate, from: `L16/${rate}`, onUnit: (unit) => units.push(unit) });
    const clicksS = [0.5, 1.3];
    for (let index = 0; index < 100; index++) encoding.push(packet(index, rate, clicksS));
    await until(() => units.length >= 90);
    encoding.close();
    const { chunks, parts } = record(units);
    assert.equal(chunks[0]?.ticks, 0);
    for (const [index, chunk] of chunks.entries()) assert.equal(chunk.ticks, index * 1024);
    assert.equal(units[0]?.format.kind === "audio" && units[0].format.encoderDelayTicks, 1024);
    assert.equal(units[10]?.sourceTicks, Math.round(5_000 + (10 * 1024 * rate) / 48_000));
    const samples = bench.heard(...parts);
    for (const click of clicksS)
      assert.ok(
        Math.abs(loudest(samples, click + 0.0005) - click - 0.0005) < 0.002,
        `${rate} Hz: ${loudest(samples, click) - click} s off`,
      );
  });

for (const rate of [8_000, 44_100])
  test(`kill -9 of the codec worker: frames of ${rate} Hz go on without one missing or doubled, clicks stay in place`, async () => {
    const units: AccessUnit[] = [];
    const encoding = client.encode({ rate, from: `L16/${rate}`, onUnit: (unit) => units.push(unit) });
    const clicksS = [0.5, 2.01, 3.5];
    const push = (from: number, to: number) => {
      for (let index = from; index < to; index++) encoding.push(packet(index, rate, clicksS));
    };
    push(0, 100);
    await until(() => units.length > 80);
    await bench.kill();
    push(100, 150);
    bench.start();
    push(150, 220);
    await until(() => units.length >= 200);
    encoding.close();
    const { chunks, parts } = record(units);
    for (const [index, chunk] of chunks.entries()) assert.equal(chunk.ticks, index * 1024);
    const samples = bench.heard(...parts);
    for (const click of clicksS) assert.ok(Math.abs(loudest(samples, click) - click - 0.0005) < 0.002);
  });

test("lost samples cost the frames that they are in, and no other moves", async () => {
  const units: AccessUnit[] = [];
  const encoding = client.encode({ rate: 8_000, from: "PCMU/8000", onUnit: (unit) => units.push(unit) });
  for (let index = 0; index < 100; index++)
    if (index < 40 || index >= 45) encoding.push(packet(index, 8_000, [1.5], index === 45 ? { lostPackets: 5 } : {}));
  await until(() => (units.at(-1)?.timeUs ?? 0) > T0_US + 1.9e6);
  const after = units.findIndex(({ lostPackets }) => lostPackets === 5);
  // 0.8 s to 0.9 s are missing.
  assert.ok((units[after - 1]?.timeUs ?? 0) + 21_334 <= T0_US + 800_000);
  assert.ok(units[after]!.timeUs >= T0_US + 900_000 && units[after]!.timeUs < T0_US + 921_334);
  const { chunks, parts } = record(units);
  assert.ok(chunks.every(({ ticks }) => ticks % 1024 === 0));
  assert.ok(Math.abs(loudest(bench.heard(...parts), 1.5) - 1.5005) < 0.002);
  encoding.restart();
  units.length = 0;
  for (let index = 300; index < 360; index++) encoding.push(packet(index, 8_000, []));
  await until(() => units.length > 0);
  assert.equal(units[0]?.timeUs, T0_US + 6e6);
  encoding.close();
});

test("sound of a source whose clock drifts gets its times from it", async () => {
  const units: AccessUnit[] = [];
  const encoding = client.encode({ rate: 8_000, from: "PCMA/8000", onUnit: (unit) => units.push(unit) });
  for (let index = 0; index < 100; index++) encoding.push(packet(index, 8_000, [], { timeUs: T0_US + index * 20_004 }));
  await until(() => units.length >= 90);
  encoding.close();
  const wanted = T0_US + ((80 * 1024) / 48_000) * 1.0002e6;
  assert.ok(Math.abs(units[80]!.timeUs - wanted) < 5);
  assert.ok(Math.abs(units[80]!.untilUs! - wanted - (2048 / 48_000) * 1e6) < 10);
});

test("AAC is metered, and many streams run at once", async () => {
  const levels: Levels[][] = Array.from({ length: 12 }, () => []);
  const encodings = levels.map((list) => {
    const meter = client.meter({ onLevels: (level) => list.push(level) });
    const encoding = client.encode({ rate: 8_000, from: "PCMA/8000", onUnit: (unit) => meter.push(unit) });
    return { meter, encoding };
  });
  const loud = Buffer.alloc(320);
  for (let at = 0; at < 160; at++) loud.writeInt16LE(Math.round(16_384 * Math.sin((at * 2 * Math.PI) / 20)), at * 2);
  for (const [number, { encoding }] of encodings.entries())
    for (let index = 0; index < 60; index++)
      encoding.push(packet(index, 8_000, [], { samples: number % 2 === 0 ? loud : Buffer.alloc(320) }));
  await until(() => levels.every((list) => list.length >= 8));
  for (const { meter, encoding } of encodings) {
    meter.close();
    encoding.close();
  }
  const settled = (list: Levels[]) => list.slice(3, 8);
  for (const { rmsDbfs, peakDbfs } of settled(levels[0]!)) {
    assert.ok(Math.abs(rmsDbfs + 9.03) < 0.5, `rms ${rmsDbfs}`);
    assert.ok(Math.abs(peakDbfs + 6.02) < 0.8, `peak ${peakDbfs}`);
  }
  for (const { rmsDbfs } of settled(levels[1]!)) assert.ok(rmsDbfs < -80);
});

test("without a codec worker sound is kept up to a bound, and the gap is declared", async () => {
  const units: AccessUnit[] = [];
  const alone = new CodecClient({ socketPath: `${bench.socketPath}.later`, clock: systemClock });
  const encoding = alone.encode({ rate: 48_000, from: "L16/48000", onUnit: (unit) => units.push(unit) });
  const second = Buffer.alloc(96_000);
  for (let index = 0; index < 200; index++) {
    const timeUs = T0_US + index * 1e6;
    encoding.push({ timeUs, sourceTicks: index * 48_000, arrivedUs: timeUs, lostPackets: 0, discontinuity: false, samples: second });
  }
  const late = startCodec(`${bench.socketPath}.later`);
  await until(() => (units.at(-1)?.timeUs ?? 0) > T0_US + 199.9e6);
  alone.close();
  await stopCodec(late, "SIGTERM");
  const [first] = units;
  assert.ok(first!.timeUs > T0_US + 60e6 && first!.timeUs < T0_US + 140e6);
  assert.equal(first!.lostPackets, 1);
  for (const [index, unit] of units.entries()) assert.ok(Math.abs(unit.timeUs - first!.timeUs - (index * 1024e6) / 48_000) < 1);
});
