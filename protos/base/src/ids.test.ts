import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedClock } from "./clock.ts";
import { newId } from "./ids.ts";

test("ids are UUIDv7 of their millisecond, each once, and sort as they were made", () => {
  const clock = new SimulatedClock();
  const ids = Array.from({ length: 10_000 }, (_, at) => {
    if (at % 3_000 === 0) clock.stepUtcMs(1);
    return newId(clock);
  });
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(Number.parseInt(ids.at(-1)!.replaceAll("-", "").slice(0, 12), 16), clock.nowMs());
});
