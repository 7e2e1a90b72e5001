import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";

/** What the store can't do now, by cause; each cause clears itself when it works again. */
export class Trouble {
  private readonly causes = new Map<string, string>();
  private readonly clock: Clock;
  private readonly log: Log;
  private since = 0;
  onChange: () => void = () => {};

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  set(cause: string, why: string): void {
    if (this.causes.get(cause) === why) return;
    if (this.causes.size === 0) this.since = this.clock.nowMs();
    this.causes.set(cause, why);
    this.log.error({ alarm: "STORE_TROUBLE", cause, why }, "the store is in trouble");
    this.onChange();
  }

  clear(cause: string): void {
    if (!this.causes.delete(cause)) return;
    this.log.info({ cause }, "the store works again");
    this.onChange();
  }

  has(cause: string): string | undefined {
    return this.causes.get(cause);
  }

  /** Empty `why`: none. Since when, UTC ms. */
  get state(): { why: string; sinceMs: number } {
    if (this.causes.size === 0) return { why: "", sinceMs: 0 };
    return { why: [...this.causes].map(([cause, why]) => `${cause}: ${why}`).join("; "), sinceMs: this.since };
  }
}

/** What a failed system call says, without paths. */
export function whyOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
