import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";

const HOUR_MS = 3_600_000;
/** A working day; signing in again each morning. */
const LIFE_MS = 12 * HOUR_MS;
const IDLE_MS = HOUR_MS / 2;
/** How often "seen just now" is written down: a crash costs at most this much of the idle time. */
const SEEN_EVERY_MS = 60_000;
/** How soon a session that ran out is noticed while its streams are open; the bar is 2 s. */
export const SWEEP_MS = 1_000;

export interface Session {
  readonly id: string;
  readonly userId: string;
  readonly expiresAtMs: number;
}

/** A session as its server keeps it: the hash of the token, never the token; instants in UTC ms. */
export interface KeptSession extends Session {
  readonly tokenHash: string;
  readonly madeAtMs: number;
  seenAtMs: number;
  storedSeenAtMs: number;
}

/**
 * Who is signed in at this server. The token is 256 random bits that only its holder knows. All sessions are in memory, because
 * every segment of a playback asks; where they are kept beside that is the server's own matter.
 */
export class LiveSessions {
  private readonly byHash = new Map<string, KeptSession>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly clock: Clock;
  /** While it says so for a user, idleness does not end their sessions: their hearing runs. */
  busy: (userId: string) => boolean = () => false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A new session, not yet living; the token is told this once. */
  make(userId: string): { session: KeptSession; token: string } {
    const token = randomBytes(32).toString("base64url");
    const nowMs = this.clock.nowMs();
    const instants = { madeAtMs: nowMs, expiresAtMs: nowMs + LIFE_MS, seenAtMs: nowMs, storedSeenAtMs: nowMs };
    return { session: { id: newId(this.clock), userId, tokenHash: hashOf(token), ...instants }, token };
  }

  add(session: KeptSession): void {
    this.byHash.set(session.tokenHash, session);
  }

  all(): KeptSession[] {
    return [...this.byHash.values()];
  }

  /** The living session of a token; asking counts as being there. */
  find(token: string): Session | undefined {
    const session = this.byHash.get(hashOf(token));
    if (!session || this.isOver(session)) return undefined;
    session.seenAtMs = this.clock.nowMs();
    return session;
  }

  byId(sessionId: string): Session | undefined {
    return this.all().find(({ id }) => id === sessionId);
  }

  /** Calls `ended` once when the session is over, by whatever; returns the way to stop waiting for it. */
  onEnded(sessionId: string, ended: () => void): () => void {
    const set = this.listeners.get(sessionId) ?? new Set();
    this.listeners.set(sessionId, set.add(ended));
    return () => {
      set.delete(ended);
      if (set.size === 0) this.listeners.delete(sessionId);
    };
  }

  /** To be called each SWEEP_MS: forgets what is over, and says what has to be written down. */
  sweep(): { over: KeptSession[]; seen: KeptSession[] } {
    const over = this.all().filter((session) => this.isOver(session));
    const seen = this.all().filter(({ seenAtMs, storedSeenAtMs }) => seenAtMs - storedSeenAtMs >= SEEN_EVERY_MS);
    for (const session of this.all()) if (this.busy(session.userId)) session.seenAtMs = this.clock.nowMs();
    this.forget((session) => over.includes(session));
    for (const session of seen) session.storedSeenAtMs = session.seenAtMs;
    return { over, seen };
  }

  forget(which: (session: KeptSession) => boolean): void {
    for (const session of this.all().filter(which)) {
      this.byHash.delete(session.tokenHash);
      const listeners = this.listeners.get(session.id);
      this.listeners.delete(session.id);
      for (const ended of listeners ?? []) ended();
    }
  }

  private isOver(session: KeptSession): boolean {
    const nowMs = this.clock.nowMs();
    return nowMs >= session.expiresAtMs || (nowMs - session.seenAtMs >= IDLE_MS && !this.busy(session.userId));
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
