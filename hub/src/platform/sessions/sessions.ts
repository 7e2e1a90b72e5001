import { createHash, randomBytes } from "node:crypto";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Database, Tx } from "../database/database.ts";
import type { Migration } from "../database/migrations.ts";
import { Table } from "../database/table.ts";

const HOUR_MS = 3_600_000;
/** A working day; signing in again each morning. */
const LIFE_MS = 12 * HOUR_MS;
const IDLE_MS = HOUR_MS / 2;
/** How often "seen just now" is written down: a crash costs at most this much of the idle time. */
const SEEN_EVERY_MS = 60_000;
/** How soon a session that ran out is noticed while its streams are open; the bar is 2 s. */
const SWEEP_MS = 1_000;

const table = new Table("sessions", ["id"], {
  id: "text",
  token_hash: "text",
  user_id: "text",
  made_at_ms: "whole",
  expires_at_ms: "whole",
  seen_at_ms: "whole",
  came_from: "text",
} as const);

export const sessionMigrations: readonly Migration[] = [
  {
    name: "0001-sessions",
    ddl: `CREATE TABLE sessions (id VARCHAR(36) NOT NULL PRIMARY KEY, token_hash VARCHAR(64) NOT NULL UNIQUE, user_id VARCHAR(36) NOT NULL,
      made_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL, seen_at_ms BIGINT NOT NULL, came_from VARCHAR(100) NOT NULL)`,
  },
];

export interface Session {
  readonly id: string;
  readonly userId: string;
  readonly expiresAtMs: number;
}
interface Open extends Session {
  tokenHash: string;
  seenAtMs: number;
  storedSeenAtMs: number;
}

/**
 * Who is signed in. The token is 256 random bits that only its holder knows: the table has its hash. All sessions are in
 * memory too, because this process alone opens the database and every segment of a playback asks.
 */
export class Sessions {
  private readonly byHash = new Map<string, Open>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly rows;
  private readonly database: Database;
  private readonly clock: Clock;
  private sweeper: Timer | undefined;
  /** While it says so for a user, idleness does not end their sessions: their hearing runs. */
  busy: (userId: string) => boolean = () => false;

  constructor(database: Database, clock: Clock) {
    this.database = database;
    this.clock = clock;
    this.rows = table.in(database);
  }

  async start(): Promise<void> {
    for (const row of await this.rows.all(undefined))
      this.byHash.set(row.token_hash, {
        id: row.id,
        userId: row.user_id,
        expiresAtMs: row.expires_at_ms,
        tokenHash: row.token_hash,
        seenAtMs: row.seen_at_ms,
        storedSeenAtMs: row.seen_at_ms,
      });
    this.sweeper = this.clock.every(SWEEP_MS, () => this.sweep());
  }

  stop(): void {
    this.sweeper?.cancel();
  }

  /** A new session; the token is told this once. */
  async open(tx: Tx, userId: string, from: string): Promise<{ session: Session; token: string }> {
    const token = randomBytes(32).toString("base64url");
    const nowMs = this.clock.nowMs();
    const open: Open = {
      id: newId(this.clock),
      userId,
      expiresAtMs: nowMs + LIFE_MS,
      tokenHash: hashOf(token),
      seenAtMs: nowMs,
      storedSeenAtMs: nowMs,
    };
    await this.rows.insert(tx, {
      id: open.id,
      token_hash: open.tokenHash,
      user_id: userId,
      made_at_ms: nowMs,
      expires_at_ms: open.expiresAtMs,
      seen_at_ms: nowMs,
      came_from: from.slice(0, 100),
    });
    tx.afterCommit(() => this.byHash.set(open.tokenHash, open));
    return { session: open, token };
  }

  /** The living session of a token; asking counts as being there. */
  find(token: string): Session | undefined {
    const open = this.byHash.get(hashOf(token));
    if (!open || this.isOver(open)) return undefined;
    open.seenAtMs = this.clock.nowMs();
    return open;
  }

  byId(sessionId: string): Session | undefined {
    return [...this.byHash.values()].find(({ id }) => id === sessionId);
  }

  async end(tx: Tx, sessionId: string): Promise<void> {
    await this.rows.remove(tx, { id: sessionId });
    tx.afterCommit(() => this.forget((open) => open.id === sessionId));
  }

  /** Everything of theirs: disabled, or their roles are others now. */
  async endOfUser(tx: Tx, userId: string): Promise<void> {
    await this.rows.remove(tx, { user_id: userId });
    tx.afterCommit(() => this.forget((open) => open.userId === userId));
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

  private isOver(open: Open): boolean {
    const nowMs = this.clock.nowMs();
    return nowMs >= open.expiresAtMs || (nowMs - open.seenAtMs >= IDLE_MS && !this.busy(open.userId));
  }

  private sweep(): void {
    const over = [...this.byHash.values()].filter((open) => this.isOver(open));
    const seen = [...this.byHash.values()].filter((open) => open.seenAtMs - open.storedSeenAtMs >= SEEN_EVERY_MS);
    for (const open of this.byHash.values()) if (this.busy(open.userId)) open.seenAtMs = this.clock.nowMs();
    if (over.length + seen.length === 0) return;
    this.forget((open) => over.includes(open));
    for (const open of seen) open.storedSeenAtMs = open.seenAtMs;
    void this.database
      .transaction(async (tx) => {
        for (const { id } of over) await this.rows.remove(tx, { id });
        for (const { id, seenAtMs } of seen) await this.rows.update(tx, { id }, { seen_at_ms: seenAtMs });
      })
      .catch(() => undefined); // said again at the next sweep or found over at the next start
  }

  private forget(which: (open: Open) => boolean): void {
    for (const open of [...this.byHash.values()].filter(which)) {
      this.byHash.delete(open.tokenHash);
      const listeners = this.listeners.get(open.id);
      this.listeners.delete(open.id);
      for (const ended of listeners ?? []) ended();
    }
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
