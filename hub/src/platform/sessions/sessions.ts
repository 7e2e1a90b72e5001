import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { LiveSessions, type Session, SWEEP_MS } from "@xiezhi/rpc/access/live-sessions.ts";
import type { Database, Tx } from "../database/database.ts";
import type { Migration } from "../database/migrations.ts";
import { Table } from "../database/table.ts";

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

/** Who is signed in at the hub: a row each, and all of them in memory, because this process alone opens the database. */
export class Sessions {
  private readonly live: LiveSessions;
  private readonly rows;
  private readonly database: Database;
  private readonly clock: Clock;
  private sweeper: Timer | undefined;

  constructor(database: Database, clock: Clock) {
    this.database = database;
    this.clock = clock;
    this.live = new LiveSessions(clock);
    this.rows = table.in(database);
  }

  get busy(): LiveSessions["busy"] {
    return this.live.busy;
  }

  set busy(busy: LiveSessions["busy"]) {
    this.live.busy = busy;
  }

  async start(): Promise<void> {
    for (const row of await this.rows.all(undefined))
      this.live.add({
        id: row.id,
        userId: row.user_id,
        tokenHash: row.token_hash,
        madeAtMs: row.made_at_ms,
        expiresAtMs: row.expires_at_ms,
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
    const { session, token } = this.live.make(userId);
    await this.rows.insert(tx, {
      id: session.id,
      token_hash: session.tokenHash,
      user_id: userId,
      made_at_ms: session.madeAtMs,
      expires_at_ms: session.expiresAtMs,
      seen_at_ms: session.seenAtMs,
      came_from: from.slice(0, 100),
    });
    tx.afterCommit(() => this.live.add(session));
    return { session, token };
  }

  find(token: string): Session | undefined {
    return this.live.find(token);
  }

  byId(sessionId: string): Session | undefined {
    return this.live.byId(sessionId);
  }

  async end(tx: Tx, sessionId: string): Promise<void> {
    await this.rows.remove(tx, { id: sessionId });
    tx.afterCommit(() => this.live.forget(({ id }) => id === sessionId));
  }

  /** Everything of theirs: disabled, or their roles are others now. */
  async endOfUser(tx: Tx, userId: string): Promise<void> {
    await this.rows.remove(tx, { user_id: userId });
    tx.afterCommit(() => this.live.forget((session) => session.userId === userId));
  }

  onEnded(sessionId: string, ended: () => void): () => void {
    return this.live.onEnded(sessionId, ended);
  }

  private sweep(): void {
    const { over, seen } = this.live.sweep();
    if (over.length + seen.length === 0) return;
    void this.database
      .transaction(async (tx) => {
        for (const { id } of over) await this.rows.remove(tx, { id });
        for (const { id, seenAtMs } of seen) await this.rows.update(tx, { id }, { seen_at_ms: seenAtMs });
      })
      .catch(() => undefined); // said again at the next sweep or found over at the next start
  }
}
