/**
 * The only place that asks for the time or sets a timer. Tests drive `SimulatedClock`.
 *
 * `monoUs` is CLOCK_MONOTONIC in microseconds: one axis for all processes of a machine, so a capture worker and the agent
 * that adopts it speak of the same instants. It never goes back and says nothing about civil time; `nowMs` is UTC.
 */
export interface Clock {
  /** UTC, milliseconds since 1970. May step. */
  nowMs(): number;
  /** Machine-wide monotonic time, microseconds. */
  monoUs(): number;
  /** Calls `fn` once after `ms`. The timer keeps the process alive only while others do. */
  after(ms: number, fn: () => void): Timer;
  /** Calls `fn` every `ms`, first after `ms`. */
  every(ms: number, fn: () => void): Timer;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monoUs: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
  },
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

interface Due {
  atUs: number;
  everyUs?: number;
  fn: () => void;
}

/** A clock that stands still until `advanceMs`; an hour passes at once. */
export class SimulatedClock implements Clock {
  private us: number;
  private utcOffsetMs: number;
  private readonly due = new Set<Due>();

  constructor(startMs = Date.UTC(2026, 8, 28, 1, 0, 0)) {
    this.us = 1e9;
    this.utcOffsetMs = startMs - this.us / 1e3;
  }

  nowMs(): number {
    return Math.floor(this.us / 1e3 + this.utcOffsetMs);
  }

  monoUs(): number {
    return this.us;
  }

  after(ms: number, fn: () => void): Timer {
    return this.add({ atUs: this.us + ms * 1e3, fn });
  }

  every(ms: number, fn: () => void): Timer {
    return this.add({ atUs: this.us + ms * 1e3, everyUs: ms * 1e3, fn });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Civil time jumps, monotonic time does not: what NTP or a person with `date` does. */
  stepUtcMs(ms: number): void {
    this.utcOffsetMs += ms;
  }

  /** Moves time forward and runs what falls due, in order; promises settle between two timers. */
  async advanceMs(ms: number): Promise<void> {
    const endUs = this.us + ms * 1e3;
    await settled();
    for (let next = this.earliest(endUs); next; next = this.earliest(endUs)) {
      this.us = Math.max(this.us, next.atUs);
      if (next.everyUs === undefined) this.due.delete(next);
      else next.atUs += next.everyUs;
      next.fn();
      await settled();
    }
    this.us = endUs;
  }

  private add(due: Due): Timer {
    this.due.add(due);
    return { cancel: () => this.due.delete(due) };
  }

  private earliest(endUs: number): Due | undefined {
    let found: Due | undefined;
    for (const due of this.due) if (due.atUs <= endUs && (!found || due.atUs < found.atUs)) found = due;
    return found;
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
