import { create, fromBinary, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { Op } from "sequelize";
import { type Call, userIdOf } from "../call.ts";
import type { Database, Tx } from "../database/database.ts";
import type { Migration } from "../database/migrations.ts";
import { Table } from "../database/table.ts";

/** How long the same request id gives the same answer. */
const REMEMBERED_MS = 24 * 3_600_000;

const table = new Table("platform_requests", ["user_id", "act", "request_id"], {
  user_id: "text",
  act: "text",
  request_id: "text",
  digest: "text",
  answer: "bytes",
  at_ms: "whole",
} as const);

export const requestMigrations: readonly Migration[] = [
  {
    name: "0001-requests",
    ddl: `CREATE TABLE platform_requests (user_id VARCHAR(64) NOT NULL, act VARCHAR(60) NOT NULL, request_id VARCHAR(64) NOT NULL,
      digest VARCHAR(64) NOT NULL, answer MEDIUMBLOB NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (user_id, act, request_id))`,
  },
  { name: "0002-by-time", ddl: "CREATE INDEX platform_requests_by_time ON platform_requests (at_ms)" },
];

const errors = defineErrors("REQUESTS", {
  otherContent: () => ({
    code: "INVALID_ARGUMENT",
    reason: "ID_REUSED",
    zh: "同一请求编号不能用于不同的请求：request_id",
    en: "this request_id was used for another request",
    details: { field: "request_id" },
  }),
});

/** Answers of changes, kept for a day by user, method and request id: a repeated request changes nothing and hears the same. */
export class Requests {
  private readonly rows;
  private readonly clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.rows = table.in(database);
    this.clock = clock;
  }

  async find(tx: Tx, call: Call): Promise<Message | undefined> {
    const { request, method } = call;
    if (!request || !method) return undefined;
    const row = await this.rows.lock(tx, keyOf(call, request.id));
    if (!row || row.at_ms < this.clock.nowMs() - REMEMBERED_MS) return undefined;
    if (row.digest !== request.digest) throw errors.otherContent();
    return fromBinary(method.output, row.answer);
  }

  async remember(tx: Tx, call: Call, answer: object): Promise<void> {
    const { request, method } = call;
    if (!request || !method) return;
    const message = create(method.output, answer as MessageInitShape<typeof method.output>);
    await this.rows.remove(tx, keyOf(call, request.id));
    await this.rows.insert(tx, {
      ...keyOf(call, request.id),
      digest: request.digest,
      answer: toBinary(method.output, message),
      at_ms: this.clock.nowMs(),
    });
  }

  async forgetOld(tx: Tx): Promise<void> {
    await this.rows.remove(tx, { at_ms: { [Op.lt]: this.clock.nowMs() - REMEMBERED_MS } });
  }
}

function keyOf(call: Call, requestId: string): { user_id: string; act: string; request_id: string } {
  return { user_id: userIdOf(call.caller), act: call.act, request_id: requestId };
}
