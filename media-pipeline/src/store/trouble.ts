import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";

type AlarmReason = "STORE_TROUBLE" | "TAKE_DAMAGED";

/** An alarm of the store that stands now. */
export interface Standing {
  alarm: AlarmReason;
  /** The store's part that can't be written, or the damaged take's id. */
  subject: string;
  why: string;
  /** UTC ms. */
  sinceMs: number;
}

/** What the store can't do now, by subject; each clears itself when it works again. */
export class Trouble {
  private readonly subjects = new Map<string, Standing>();
  private readonly clock: Clock;
  private readonly log: Log;
  onChange: () => void = () => {};

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  set(subject: string, why: string, alarm: AlarmReason = "STORE_TROUBLE"): void {
    const known = this.subjects.get(subject);
    if (known?.why === why) return;
    this.subjects.set(subject, { alarm, subject, why, sinceMs: known?.sinceMs ?? this.clock.nowMs() });
    this.log.error({ alarm, subject, why }, "the store is in trouble");
    this.onChange();
  }

  clear(subject: string): void {
    if (!this.subjects.delete(subject)) return;
    this.log.info({ subject }, "the store works again");
    this.onChange();
  }

  has(subject: string): string | undefined {
    return this.subjects.get(subject)?.why;
  }

  get standing(): Standing[] {
    return [...this.subjects.values()];
  }
}

/** What a failed system call says, without paths. */
export function whyOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
