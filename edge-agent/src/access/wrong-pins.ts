import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { accessErrors } from "@xiezhi/rpc/access/access.errors.ts";

/** So many attempts are free; then each must wait twice as long as the one before. */
const FREE = 5;
const WAIT_MS = { first: 30_000, most: 5 * 60_000 };
const FORGOTTEN_AFTER_MS = 24 * 3_600_000;
const LOGINS_MOST = 1_000;

interface Tried {
  times: number;
  atMs: number;
  untilMs: number;
}

/**
 * A PIN has few digits, so that guessing is slowed for each login by itself: some 300 attempts a day at most, which for six digits
 * is years. Kept on disk: starting the agent again gives no new attempts.
 */
export class WrongPins {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly file: string;
  private tried = new Map<string, Tried>();

  constructor({ clock, log, file }: { clock: Clock; log: Log; file: string }) {
    this.clock = clock;
    this.log = log;
    this.file = file;
  }

  async open(): Promise<void> {
    try {
      const text = await readIfThere(this.file);
      if (text !== undefined) this.tried = new Map(JSON.parse(text) as [string, Tried][]);
    } catch (error) {
      this.log.error({ err: error }, "the count of wrong PINs could not be read");
    }
  }

  /** Before a PIN is looked at, so that many at once count as many. Throws RESOURCE_EXHAUSTED with the seconds to wait. */
  async attempt(login: string): Promise<void> {
    const atMs = this.clock.nowMs();
    const key = login.toLowerCase();
    const before = this.tried.get(key);
    const waitMs = (before?.untilMs ?? 0) - atMs;
    // Longer than any wait: the clock was set back meanwhile.
    if (waitMs > 0 && waitMs <= WAIT_MS.most) throw accessErrors.slowed(Math.ceil(waitMs / 1_000));
    const times = before && atMs - before.atMs < FORGOTTEN_AFTER_MS ? before.times + 1 : 1;
    const nextMs = times < FREE ? 0 : Math.min(WAIT_MS.first * 2 ** (times - FREE), WAIT_MS.most);
    this.tried.delete(key);
    this.tried.set(key, { times, atMs, untilMs: atMs + nextMs });
    for (const oldest of this.tried.keys()) if (this.tried.size > LOGINS_MOST) this.tried.delete(oldest);
    await this.save();
  }

  async right(login: string): Promise<void> {
    this.tried.delete(login.toLowerCase());
    await this.save();
  }

  /** A full disk must not keep a clerk out. */
  private save(): Promise<void> {
    return writeDurably(this.file, JSON.stringify([...this.tried])).catch((error: unknown) =>
      this.log.error({ err: error }, "the count of wrong PINs could not be kept"),
    );
  }
}
