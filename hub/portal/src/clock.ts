import { useEffect, useState } from "react";

/** The page's only source of time and timers, so that what must turn amber by itself can be tested without waiting. */
export interface PageClock {
  /** UTC, milliseconds since 1970; may step. */
  nowMs(): number;
  /** Monotonic, milliseconds. */
  monoMs(): number;
  after(ms: number, fn: () => void): Timer;
  every(ms: number, fn: () => void): Timer;
  /** Calls `fn` before each painted frame. */
  frames(fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const pageClock: PageClock = {
  nowMs: () => Date.now(),
  monoMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    return { cancel: () => clearInterval(timer) };
  },
  frames(fn) {
    let request = requestAnimationFrame(function next() {
      request = requestAnimationFrame(next);
      fn();
    });
    return { cancel: () => cancelAnimationFrame(request) };
  },
};

/** The page's UTC milliseconds, again every `everyMs`: what is shown as an age keeps growing without any message. */
export function useNowMs(everyMs = 1_000): number {
  const [nowMs, setNowMs] = useState(() => pageClock.nowMs());
  useEffect(() => {
    const timer = pageClock.every(everyMs, () => setNowMs(pageClock.nowMs()));
    return () => timer.cancel();
  }, [everyMs]);
  return nowMs;
}

/** The value once it has stood still for `ms`: what is typed is not asked about at every key. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = pageClock.after(ms, () => setSettled(value));
    return () => timer.cancel();
  }, [value, ms]);
  return settled;
}
