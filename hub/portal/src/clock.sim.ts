import type { PageClock, Timer } from "./clock.ts";

interface Due {
  atMs: number;
  everyMs?: number;
  fn: () => void;
}

/** A page clock that stands still until `advanceMs`. */
export class SimulatedPageClock implements PageClock {
  private ms = 1_000;
  private readonly due = new Set<Due>();

  nowMs(): number {
    return 1_790_000_000_000 + this.ms;
  }

  monoMs(): number {
    return this.ms;
  }

  after(ms: number, fn: () => void): Timer {
    return this.add({ atMs: this.ms + ms, fn });
  }

  every(ms: number, fn: () => void): Timer {
    return this.add({ atMs: this.ms + ms, everyMs: ms, fn });
  }

  frames(fn: () => void): Timer {
    return this.every(16, fn);
  }

  advanceMs(ms: number): void {
    const endMs = this.ms + ms;
    for (let next = this.earliest(endMs); next; next = this.earliest(endMs)) {
      this.ms = Math.max(this.ms, next.atMs);
      if (next.everyMs === undefined) this.due.delete(next);
      else next.atMs += next.everyMs;
      next.fn();
    }
    this.ms = endMs;
  }

  private add(due: Due): Timer {
    this.due.add(due);
    return { cancel: () => this.due.delete(due) };
  }

  private earliest(endMs: number): Due | undefined {
    let found: Due | undefined;
    for (const due of this.due) if (due.atMs <= endMs && (!found || due.atMs < found.atMs)) found = due;
    return found;
  }
}
