/** Something has changed: any number of calls between two looks are one. Ends its wait with the signal. */
export class Wakeup {
  private due = false;
  private wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.now(), { once: true });
    if (signal.aborted) this.due = true;
  }

  now(): void {
    this.due = true;
    this.wake();
  }

  async wait(): Promise<void> {
    if (!this.due) await new Promise<void>((resolve) => (this.wake = resolve));
    this.due = false;
  }
}

/** Steps of something under way: whoever joins late, by the same request, sees all of them from the first on. */
export class Steps<S, R> {
  readonly about: { takeId: string; startedBy: string; startedAtMs: number };
  readonly result: Promise<R>;
  settled = false;
  private readonly seen: S[] = [];
  private waiting: (() => void)[] = [];
  private readonly resolvers = Promise.withResolvers<R>();

  constructor(about: Steps<S, R>["about"]) {
    this.about = about;
    this.result = this.resolvers.promise;
    // Whoever pressed may have gone: then nobody sees a failure, and the process must not die of it.
    this.result.catch(() => {});
  }

  /** Nothing is under way any more, and this came of it. */
  static done<S, R>(result: R): Steps<S, R> {
    const steps = new Steps<S, R>({ takeId: "", startedBy: "", startedAtMs: 0 });
    steps.run(async () => result);
    return steps;
  }

  run(act: (onStep: (step: S) => void) => Promise<R>): void {
    void this.carryOut(act);
  }

  async *all(): AsyncGenerator<S, void> {
    for (let next = 0; ; ) {
      while (next < this.seen.length) yield this.seen[next++]!;
      if (this.settled) return;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private async carryOut(act: (onStep: (step: S) => void) => Promise<R>): Promise<void> {
    try {
      const result = await act((step) => {
        this.seen.push(step);
        this.wakeAll();
      });
      this.resolvers.resolve(result);
    } catch (error) {
      this.resolvers.reject(error);
    }
    this.settled = true;
    this.wakeAll();
  }

  private wakeAll(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }
}
