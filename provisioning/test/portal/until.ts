import assert from "node:assert/strict";
import { systemClock } from "@xiezhi/base/clock.ts";

/** Waits for what `look` finds; when that takes longer than any slow machine needs, it says what was seen last. */
export async function until<T>(what: string, look: () => Promise<T>, enough: (seen: T) => boolean, withinMs = 60_000): Promise<T> {
  const deadlineUs = systemClock.monoUs() + withinMs * 1e3;
  for (;;) {
    const seen = await look();
    if (enough(seen)) return seen;
    assert.ok(systemClock.monoUs() < deadlineUs, `${what}: not within ${withinMs} ms; seen last: ${JSON.stringify(seen)}`);
    await systemClock.sleep(100);
  }
}
