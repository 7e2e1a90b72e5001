import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type KeptSession, LiveSessions, type Session, SWEEP_MS } from "@xiezhi/rpc/access/live-sessions.ts";

/** Who is signed in at this room's own address; kept in one file, so that an agent that starts again asks nobody anew. */
export class RoomSessions extends LiveSessions {
  private readonly log: Log;
  private readonly file: string;
  private readonly sweeper: Timer;
  private saving: Promise<void> = Promise.resolve();

  constructor({ clock, log, file }: { clock: Clock; log: Log; file: string }) {
    super(clock);
    this.log = log;
    this.file = file;
    this.sweeper = clock.every(SWEEP_MS, () => {
      const { over, seen } = this.sweep();
      if (over.length + seen.length > 0) void this.save();
    });
  }

  async open(): Promise<void> {
    try {
      for (const session of JSON.parse((await readIfThere(this.file)) ?? "[]") as KeptSession[]) this.add(session);
    } catch (error) {
      this.log.error({ err: error }, "sessions could not be read: people sign in anew");
    }
  }

  /** A new session; the token is told this once. */
  async begin(userId: string): Promise<{ session: Session; token: string }> {
    const made = this.make(userId);
    this.add(made.session);
    await this.save();
    return made;
  }

  async end(which: (session: KeptSession) => boolean): Promise<void> {
    this.forget(which);
    await this.save();
  }

  async close(): Promise<void> {
    this.sweeper.cancel();
    await this.saving;
  }

  /** In turn; a full disk keeps nobody out. */
  private save(): Promise<void> {
    this.saving = this.saving
      .then(() => writeDurably(this.file, JSON.stringify(this.all())))
      .catch((error: unknown) => this.log.error({ err: error }, "sessions could not be kept"));
    return this.saving;
  }
}
