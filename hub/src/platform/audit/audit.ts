import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { Op } from "sequelize";
import { type Call, type ObjectRef, userIdOf } from "../call.ts";
import type { Database, Tx, View } from "../database/database.ts";
import type { Migration } from "../database/migrations.ts";
import { Table, type RowOf } from "../database/table.ts";

const columns = {
  number: "whole",
  at_ms: "whole",
  user_id: "text",
  login: "text",
  act: "text",
  object_id: "text",
  site_id: "text",
  outcome: "text",
  request_id: "text",
  came_from: "text",
  room_id: "text",
  after_revocation: "flag",
} as const;
const rows = new Table("audits", ["number"], columns);
const counters = new Table("audits_counter", ["name"], { name: "text", value: "whole" });
/** Ids of acts that rooms brought: each is taken once. */
const taken = new Table("audits_taken", ["id"], { id: "text" } as const);
export type AuditRow = RowOf<typeof columns>;

/** What was done at a room's own address; `atMs` is the room's clock, UTC ms. */
export interface RoomAct {
  id: string;
  atMs: number;
  userId: string;
  login: string;
  act: string;
  objectId: string;
  outcome: string;
  requestId: string;
  from: string;
}

/** What is left out or empty asks for all; instants in UTC ms, `toMs` itself is not meant. */
export interface AuditFilter {
  siteIds: readonly string[];
  /** Row numbers below this one. */
  before: number;
  limit: number;
  userId?: string;
  login?: string;
  act?: string;
  refused?: boolean;
  fromMs?: number;
  toMs?: number;
}

/** The table refuses what no code asks for either: a row that was written stays as it is. */
export const auditMigrations: readonly Migration[] = [
  {
    name: "0001-rows",
    ddl: `CREATE TABLE audits (number BIGINT NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL, user_id VARCHAR(64) NOT NULL, login VARCHAR(64) NOT NULL,
      act VARCHAR(100) NOT NULL, object_id VARCHAR(150) NOT NULL, site_id VARCHAR(64) NOT NULL, outcome VARCHAR(100) NOT NULL,
      request_id VARCHAR(64) NOT NULL, came_from VARCHAR(100) NOT NULL)`,
  },
  { name: "0002-counter", ddl: "CREATE TABLE audits_counter (name VARCHAR(20) NOT NULL PRIMARY KEY, value BIGINT NOT NULL)" },
  { name: "0003-first-number", ddl: "INSERT INTO audits_counter (name, value) VALUES ('audits', 0)" },
  { name: "0004-by-user", ddl: "CREATE INDEX audits_by_user ON audits (user_id, number)" },
  { name: "0005-by-act", ddl: "CREATE INDEX audits_by_act ON audits (act, number)" },
  { name: "0006-no-update", ddl: refusing("audits_no_update", "UPDATE") },
  { name: "0007-no-delete", ddl: refusing("audits_no_delete", "DELETE") },
  { name: "0008-room", ddl: "ALTER TABLE audits ADD COLUMN room_id VARCHAR(64) NOT NULL DEFAULT ''" },
  { name: "0009-after-revocation", ddl: "ALTER TABLE audits ADD COLUMN after_revocation BOOLEAN NOT NULL DEFAULT FALSE" },
  { name: "0010-taken", ddl: "CREATE TABLE audits_taken (id VARCHAR(64) NOT NULL PRIMARY KEY)" },
];

function refusing(name: string, what: "UPDATE" | "DELETE"): { sqlite: string; mysql: string } {
  const head = `CREATE TRIGGER ${name} BEFORE ${what} ON audits`;
  return {
    sqlite: `${head} BEGIN SELECT RAISE(ABORT, 'audit rows stay'); END`,
    mysql: `${head} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'audit rows stay'`,
  };
}

/** One row for every change, playback and refusal, numbered without holes: a missing number is a missing row. */
export class Audit {
  private readonly database: Database;
  private readonly clock: Clock;
  private readonly rows;
  private readonly counters;
  private readonly taken;
  private readonly told = new WeakSet<object>();
  private readonly strangers = new RateLimiterMemory({ points: 60, duration: 60 });

  constructor(database: Database, clock: Clock) {
    this.database = database;
    this.clock = clock;
    this.rows = rows.in(database);
    this.counters = counters.in(database);
    this.taken = taken.in(database);
  }

  async append(tx: Tx, call: Call, object: ObjectRef, outcome: string): Promise<void> {
    const { caller } = call;
    await this.rows.insert(tx, {
      number: await this.nextNumber(tx),
      at_ms: this.clock.nowMs(),
      user_id: userIdOf(caller),
      login: caller.kind === "user" ? caller.login : "",
      act: call.act,
      object_id: object.id.slice(0, 150),
      site_id: object.siteId,
      outcome,
      request_id: call.request?.id ?? "",
      came_from: call.from.slice(0, 100),
      room_id: "",
      after_revocation: false,
    });
  }

  /** A row that a room brings: once, however often it is brought. The room is who its certificate says. */
  async take(tx: Tx, room: { siteId: string; roomId: string }, act: RoomAct, afterRevocation: boolean): Promise<void> {
    if (await this.taken.one(tx, { id: act.id })) return;
    await this.taken.insert(tx, { id: act.id });
    await this.rows.insert(tx, {
      number: await this.nextNumber(tx),
      at_ms: act.atMs,
      user_id: act.userId.slice(0, 64),
      login: act.login.slice(0, 64),
      act: act.act.slice(0, 100),
      object_id: act.objectId.slice(0, 150),
      site_id: room.siteId,
      outcome: act.outcome.slice(0, 100),
      request_id: act.requestId.slice(0, 64),
      came_from: act.from.slice(0, 100),
      room_id: room.roomId,
      after_revocation: afterRevocation,
    });
  }

  /** What was not a change of data here: a playback, an act in a room. */
  record(call: Call, object: ObjectRef, outcome: string): Promise<void> {
    return this.database.transaction((tx) => this.append(tx, call, object, outcome));
  }

  /** A refusal, once, however many places it passes on its way out. */
  async refusal(call: Call, object: ObjectRef, error: unknown): Promise<void> {
    if (!isXiezhiError(error) || this.told.has(error)) return;
    this.told.add(error);
    await this.record(call, object, error.reason);
  }

  /**
   * Somebody who is not signed in was kept out. Strangers can't fill the audit: the first sixty refusals of an address in a minute
   * stand for the rest.
   */
  stranger(act: string, from: string, outcome: string, log: Log): void {
    const call: Call = { act: act.slice(0, 100), caller: { kind: "nobody" }, from, method: undefined, request: undefined };
    this.strangers
      .consume(from)
      .then(
        () => this.record(call, { id: "", siteId: "" }, outcome),
        () => undefined,
      )
      .catch((error: unknown) => log.error({ err: error }, "a refusal is not audited"));
  }

  /** Newest first, from below `before`. */
  list(view: View, filter: AuditFilter): Promise<AuditRow[]> {
    return this.rows.all(view, {
      where: {
        number: { [Op.lt]: filter.before },
        site_id: { [Op.in]: [...filter.siteIds, ""] },
        ...(filter.userId ? { user_id: filter.userId } : {}),
        ...(filter.login ? { login: filter.login } : {}),
        ...(filter.act ? { act: filter.act } : {}),
        ...(filter.refused ? { outcome: { [Op.ne]: "ok" } } : {}),
        at_ms: { [Op.gte]: filter.fromMs ?? 0, [Op.lt]: filter.toMs || Number.MAX_SAFE_INTEGER },
      },
      order: [["number", "DESC"]],
      limit: filter.limit,
    });
  }

  private async nextNumber(tx: Tx): Promise<number> {
    const last = await this.counters.lock(tx, { name: "audits" });
    if (!last) throw new Error("the audit has lost its counter");
    const value = last.value + 1;
    await this.counters.update(tx, { name: "audits" }, { value });
    return value;
  }
}
