import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { AccessUnit, FrameUnit, SoundFormat } from "../capture/unit.ts";
import { AAC_FRAME_SAMPLES, CodecBench, clickedAac, encodedAac, loudest, record, T0_US, until } from "./testing.ts";

let bench: CodecBench;

before(() => {
  bench = new CodecBench();
});

after(() => bench.close());

/** Frames from `from` on, as one packet; their sound begins at T0. */
function packet({ sampleRate }: SoundFormat, frames: readonly Buffer[], from: number, facts: Partial<FrameUnit> = {}): FrameUnit {
  const sample = (from - 1) * AAC_FRAME_SAMPLES;
  const timeUs = T0_US + (sample * 1e6) / sampleRate;
  return { timeUs, sourceTicks: 70_000 + sample, arrivedUs: timeUs + 90_000, lostPackets: 0, discontinuity: false, frames, ...facts };
}

function endS(units: readonly AccessUnit[]): number {
  return ((units.at(-1)?.timeUs ?? 0) - T0_US) / 1e6;
}

function near(samples: Int16Array, clickS: number): void {
  const off = loudest(samples, clickS + 0.0005) - clickS - 0.0005;
  assert.ok(Math.abs(off) < 0.005, `${off} s off`);
}

for (const rate of [8_000, 16_000, 44_100, 96_000])
  test(`a click in AAC of ${rate} Hz is heard within 5 ms of where it was`, async () => {
    const clicksS = [0.5, 1.3];
    const { format, frames } = clickedAac({ rate, seconds: 2, clicksS: [clicksS] });
    const units: AccessUnit[] = [];
    const encoding = bench.client.encodeAnew({ format, from: `MPEG4-GENERIC/${rate}`, onUnit: (unit) => units.push(unit) });
    for (const [index, frame] of frames.entries()) encoding.push(packet(format, [frame], index));
    await until(() => endS(units) > 1.6);
    encoding.close();
    const samples = bench.heard(...record(units).parts);
    for (const click of clicksS) near(samples, click);
    const stored = units[0]?.format as SoundFormat;
    assert.deepEqual([stored.codec, stored.sampleRate, stored.channels, stored.encoderDelayTicks], ["mp4a.40.2", 48_000, 1, 1024]);
    assert.equal(stored.encodedFrom, `MPEG4-GENERIC/${rate}`);
    for (const [index, unit] of units.entries())
      assert.ok(Math.abs(unit.sourceTicks - 70_000 + AAC_FRAME_SAMPLES - (index * AAC_FRAME_SAMPLES * rate) / 48_000) <= 0.5);
  });

test("each channel of stereo AAC is a microphone of its own; without a choice they are mixed down", async () => {
  const { format, frames } = clickedAac({ rate: 48_000, seconds: 2, clicksS: [[0.5], [1.3]] });
  const ears = [0, 1, undefined].map((channel) => {
    const units: AccessUnit[] = [];
    return { units, encoding: bench.client.encodeAnew({ format, channel, from: "", onUnit: (unit) => units.push(unit) }) };
  });
  for (let at = 0; at < frames.length; at += 2)
    for (const { encoding } of ears) encoding.push(packet(format, frames.slice(at, at + 2), at));
  await until(() => ears.every(({ units }) => endS(units) > 1.6));
  const [left, right, both] = ears.map(({ units, encoding }) => {
    encoding.close();
    return bench.heard(...record(units).parts);
  });
  near(left!, 0.5);
  near(right!, 1.3);
  assert.throws(() => loudest(left!, 1.3));
  assert.throws(() => loudest(right!, 0.5));
  for (const click of [0.5, 1.3]) near(both!, click);
});

const TONE_PEAK = 8_192;
const tone = (second: number) => TONE_PEAK * Math.sin(2 * Math.PI * 500 * second);

for (const rate of [8_000, 44_100])
  test(`kill -9 of the codec worker: AAC of ${rate} Hz goes on as if nothing had happened`, async () => {
    const spoken = Buffer.alloc(rate * 5 * 2);
    for (let at = 0; at < rate * 5; at++) spoken.writeInt16LE(Math.round(tone(at / rate)), at * 2);
    const { format, frames } = encodedAac(rate, 1, spoken);
    const units: AccessUnit[] = [];
    const encoding = bench.client.encodeAnew({ format, from: "", onUnit: (unit) => units.push(unit) });
    const push = (fromS: number, toS: number) => {
      for (const [index, frame] of frames.entries()) {
        const atS = (index * AAC_FRAME_SAMPLES) / rate;
        if (atS > fromS && atS <= toS) encoding.push(packet(format, [frame], index));
      }
    };
    push(0, 2);
    await until(() => endS(units) > 1.6);
    await bench.kill();
    push(2, 3);
    bench.start();
    push(3, 5);
    await until(() => endS(units) > 4.7);
    encoding.close();
    for (const [index, { timeUs }] of units.entries()) assert.ok(Math.abs(timeUs - units[0]!.timeUs - (index * 1024e6) / 48_000) < 1);
    const samples = bench.heard(...record(units).parts);
    const off = Array.from(samples.subarray(0.2 * 48_000, 4.7 * 48_000), (sample, at) => Math.abs(sample - tone(0.2 + at / 48_000)));
    const worst = off.reduce((most, each) => Math.max(most, each), 0);
    const usual = Math.sqrt(off.reduce((sum, each) => sum + each * each, 0) / off.length);
    assert.equal(off.length, 4.5 * 48_000);
    assert.ok(worst < TONE_PEAK / 4, `${worst} of ${TONE_PEAK} off where it goes on: a hole`);
    assert.ok(usual < TONE_PEAK / 16, `${usual} of ${TONE_PEAK} off on average: it has moved`);
  });

test("lost and undecodable AAC costs its own frames, and no other moves", async () => {
  const rate = 44_100;
  const { format, frames } = clickedAac({ rate, seconds: 3, clicksS: [[0.5, 1.5, 2.5]] });
  const units: AccessUnit[] = [];
  const encoding = bench.client.encodeAnew({ format, from: "", onUnit: (unit) => units.push(unit) });
  const lost = 3;
  for (const [index, frame] of frames.entries()) {
    const garbage = index >= 34 && index < 40 ? Buffer.alloc(frame.length, 0xa5) : frame;
    if (index < 15 || index >= 15 + lost) encoding.push(packet(format, [garbage], index, index === 15 + lost ? { lostPackets: lost } : {}));
  }
  await until(() => endS(units) > 2.7);
  encoding.close();
  const after = units.findIndex(({ lostPackets }) => lostPackets === lost);
  const frameS = AAC_FRAME_SAMPLES / rate;
  // The frame after the lost ones needs the last of them.
  assert.ok(endS(units.slice(0, after)) + 0.0213 <= 14 * frameS);
  const againS = endS(units.slice(0, after + 1));
  assert.ok(againS >= (15 + lost) * frameS && againS < (15 + lost) * frameS + 0.0214);
  const samples = bench.heard(...record(units).parts);
  for (const click of [0.5, 1.5, 2.5]) near(samples, click);
});
