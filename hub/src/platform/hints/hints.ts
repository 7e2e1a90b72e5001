/**
 * "Something about this may have changed": no content, may be lost or said twice, feeds open pages. Who watches reads the
 * state itself, so a page never shows what isn't stored.
 */
export class Hints {
  private readonly watchers = new Map<string, Set<() => void>>();

  touch(...topics: string[]): void {
    for (const topic of topics) for (const wake of this.watchers.get(topic) ?? []) wake();
  }

  /** Calls `wake` at each touch of one of the topics until the returned function is called. */
  on(topics: readonly string[], wake: () => void): () => void {
    for (const topic of topics) {
      const set = this.watchers.get(topic) ?? new Set();
      this.watchers.set(topic, set.add(wake));
    }
    return () => {
      for (const topic of topics) {
        const set = this.watchers.get(topic);
        set?.delete(wake);
        if (set?.size === 0) this.watchers.delete(topic);
      }
    };
  }

  /** Yields at once, then after each touch; touches while the reader is busy count as one. Ends with the signal. */
  async *watch(topics: readonly string[], signal: AbortSignal): AsyncGenerator<void> {
    let touched = true;
    let wake = () => {};
    const off = this.on(topics, () => {
      touched = true;
      wake();
    });
    const stop = () => wake();
    signal.addEventListener("abort", stop);
    try {
      while (!signal.aborted) {
        if (touched) {
          touched = false;
          yield;
        } else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      off();
      signal.removeEventListener("abort", stop);
    }
  }
}
