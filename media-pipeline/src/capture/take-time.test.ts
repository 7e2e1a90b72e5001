import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { TakeTime } from "./take-time.ts";

const RATE = 90_000;

/** Small, fast and the same each time: xorshift32, 0 to 1. */
function noise(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** When a picture was taken, what the camera's clock showed, and when it arrived. */
interface Taken {
  trueUs: number;
  sourceTicks: number;
  arrivedUs: number;
}

function camera(options: {
  seconds: number;
  ppm: number;
  startUs?: number;
  seed?: number;
  delayUs?: number;
  jitterUs?: number;
  fps?: number;
}): Taken[] {
  const { seconds, ppm, startUs = 5e9, seed = 7, delayUs = 30_000, jitterUs = 60_000, fps = 25 } = options;
  const random = noise(seed);
  const units: Taken[] = [];
  let lastArrivedUs = 0;
  for (let index = 0; index < seconds * fps; index++) {
    const elapsedUs = (index * 1e6) / fps;
    const late = random() < 0.01 ? random() * 400_000 : random() * jitterUs;
    lastArrivedUs = Math.max(lastArrivedUs, startUs + elapsedUs + delayUs + late);
    units.push({
      trueUs: startUs + elapsedUs,
      sourceTicks: 777_000 + elapsedUs * (1 + ppm / 1e6) * (RATE / 1e6),
      arrivedUs: lastArrivedUs,
    });
  }
  return units;
}

/** Mapped minus true, microseconds, of all units; asserts that time never runs back. */
function errors(time: TakeTime, units: readonly Taken[]): number[] {
  let last = Number.NEGATIVE_INFINITY;
  return units.map(({ trueUs, sourceTicks, arrivedUs }) => {
    const mapped = time.map(sourceTicks, arrivedUs);
    assert.ok(mapped > last, "time runs back");
    last = mapped;
    return mapped - trueUs;
  });
}

for (const ppm of [200, -200])
  test(`a camera whose clock is ${ppm} ppm off stays within 80 ms over an hour of jitter`, () => {
    const time = new TakeTime(RATE);
    const all = errors(time, camera({ seconds: 3600, ppm }));
    assert.ok(Math.max(...all) < 80_000 && Math.min(...all) > -80_000, `${Math.min(...all)} to ${Math.max(...all)} µs`);
    // Without the filter it would be 720 ms off by now.
    const lastMinute = all.slice(-1500);
    assert.ok(Math.max(...lastMinute) - Math.min(...lastMinute) < 10_000);
  });

test("two cameras, one of which starts 5 s late, stand 5 s apart", () => {
  const early = camera({ seconds: 60, ppm: 120, seed: 3 });
  const late = camera({ seconds: 60, ppm: -150, startUs: 5e9 + 5e6, seed: 11 });
  const first = new TakeTime(RATE).map(early[0]!.sourceTicks, early[0]!.arrivedUs);
  const second = new TakeTime(RATE).map(late[0]!.sourceTicks, late[0]!.arrivedUs);
  assert.ok(Math.abs(second - first - 5e6) < 80_000);
});

test("any drift up to 300 ppm and any jitter: never back, never far", () => {
  const drift = fc.integer({ min: -300, max: 300 });
  fc.assert(
    fc.property(drift, fc.integer(), fc.integer({ min: 0, max: 150_000 }), fc.integer({ min: 5, max: 60 }), (ppm, seed, jitterUs, fps) => {
      const all = errors(new TakeTime(RATE), camera({ seconds: 60, ppm, seed, jitterUs, fps }));
      const settled = all.slice(10 * fps);
      assert.ok(Math.max(...settled) < 80_000 && Math.min(...settled) > -20_000, `${Math.min(...settled)} to ${Math.max(...settled)} µs`);
    }),
    { numRuns: 60 },
  );
});

test("a burst of cached pictures that was observed first gets the times at which they were taken", () => {
  const time = new TakeTime(RATE);
  const connectedUs = 9e9;
  // 2 s of pictures at once, then live ones.
  const cached = Array.from({ length: 50 }, (_, index) => {
    const trueUs = connectedUs - 2e6 + index * 40_000;
    return { trueUs, sourceTicks: (trueUs * RATE) / 1e6, arrivedUs: connectedUs + index * 500 };
  });
  const live = camera({ seconds: 30, ppm: 0, startUs: connectedUs }).map((unit) => ({ ...unit, sourceTicks: (unit.trueUs * RATE) / 1e6 }));
  const held = [...cached, ...live.slice(0, 6)];
  for (const unit of held) time.observe(unit.sourceTicks, unit.arrivedUs);
  time.settle();
  for (const error of errors(time, [...cached, ...live])) assert.ok(Math.abs(error) < 80_000, `${error} µs`);
});

test("a stall is late, not elsewhere: what it delayed keeps its time", () => {
  const time = new TakeTime(RATE);
  const units = camera({ seconds: 60, ppm: 50 }).map((unit) => ({ ...unit, arrivedUs: stalled(unit.arrivedUs) }));
  let jumps = 0;
  for (const unit of units) {
    assert.ok(Math.abs(time.map(unit.sourceTicks, unit.arrivedUs) - unit.trueUs) < 100_000);
    if (time.jumped) jumps++;
  }
  assert.equal(jumps, 0);

  function stalled(arrivedUs: number): number {
    const [from, to] = [5e9 + 20e6, 5e9 + 24e6];
    return arrivedUs > from && arrivedUs < to ? to : arrivedUs;
  }
});

for (const [name, jumpUs] of [
  ["forwards", 3e6],
  ["backwards", -3e6],
  ["by hours", -36e8],
] as const)
  test(`a source clock that jumps ${name} begins anew at once and is right again`, () => {
    const time = new TakeTime(RATE);
    const units = camera({ seconds: 40, ppm: 0 });
    let jumps = 0;
    for (const [index, unit] of units.entries()) {
      const jumped = index >= 500;
      const mapped = time.map(unit.sourceTicks + (jumped ? (jumpUs * RATE) / 1e6 : 0), unit.arrivedUs);
      if (time.jumped) jumps++;
      if (index === 500) assert.ok(time.jumped);
      assert.ok(Math.abs(mapped - unit.trueUs) < 110_000 || unit.arrivedUs - unit.trueUs > 110_000);
    }
    assert.equal(jumps, 1);
  });

test("a source clock that stood still for 2 s begins anew after 10 s", () => {
  const time = new TakeTime(RATE);
  const units = camera({ seconds: 40, ppm: 0 });
  const jumps = units.flatMap((unit, index) => {
    time.map(unit.sourceTicks, unit.arrivedUs + (index >= 250 ? 2e6 : 0));
    return time.jumped ? [unit.trueUs - 5e9] : [];
  });
  assert.ok(jumps.length === 1 && jumps[0]! > 19.5e6 && jumps[0]! < 20.5e6, String(jumps));
});

test("sender reports bring sound and picture of one device together, and only believable ones do", () => {
  // The picture takes 120 ms longer to encode than the sound; both clocks start anywhere.
  const picture = new TakeTime(RATE);
  const sound = new TakeTime(48_000);
  const ntpMs = Date.UTC(2026, 10, 24);
  const feed = (reports: number) => {
    for (let us = 0; us < 5e6; us += 20_000) {
      picture.observe((us * RATE) / 1e6, 9e9 + us + 150_000);
      sound.observe((us * 48_000) / 1e6 + 4_000_000, 9e9 + us + 30_000);
    }
    picture.report(ntpMs + reports, 0);
    sound.report(ntpMs, 4_000_000);
    TakeTime.align([picture, sound]);
    picture.settle();
    sound.settle();
  };
  feed(0);
  assert.ok(Math.abs(picture.map(5 * RATE, 9e9 + 5.15e6) - sound.map(4_000_000 + 5 * 48_000, 9e9 + 5.03e6)) < 1);
  feed(-900);
  assert.ok(Math.abs(picture.map(5 * RATE, 9e9 + 5.15e6) - sound.map(4_000_000 + 5 * 48_000, 9e9 + 5.03e6) - 120_000) < 1);
});
