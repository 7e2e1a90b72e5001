import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ReadingCopyState, type Take, TakeSchema, TakeState } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Op } from "sequelize";
import type { Database, Tx, View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { type RowOf, Table, type Where } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

const columns = {
  id: "text",
  site_id: "text",
  room_id: "text",
  state: "whole",
  started_at_ms: "whole",
  user_id: "text",
  /** Entries of the ledger that are in it: the next index to project. */
  entries: "whole",
  take: "bytes",
  reading_copy: "whole",
  reading_copy_reason: "text",
} as const;
const takeTable = new Table("takes", ["id"], columns);

export const migrations: readonly Migration[] = [
  {
    name: "0001-takes",
    ddl: `CREATE TABLE takes (id VARCHAR(36) NOT NULL PRIMARY KEY, site_id VARCHAR(64) NOT NULL, room_id VARCHAR(64) NOT NULL, state BIGINT NOT NULL,
      started_at_ms BIGINT NOT NULL, user_id VARCHAR(64) NOT NULL, entries BIGINT NOT NULL, take MEDIUMBLOB NOT NULL, reading_copy BIGINT NOT NULL,
      reading_copy_reason TEXT NOT NULL)`,
  },
  { name: "0002-by-room", ddl: "CREATE INDEX takes_by_room ON takes (room_id, id)" },
  { name: "0003-by-state", ddl: "CREATE INDEX takes_by_state ON takes (state)" },
];

/** A take as projected so far. It is one message, written whole, because only the projection writes it and pages read it whole. */
export interface Projected {
  take: Take;
  entries: number;
  userId: string;
  readingCopy: ReadingCopyState;
  readingCopyReason: string;
}

export class TakesStore {
  private readonly takes;

  constructor(database: Database) {
    this.takes = takeTable.in(database);
  }

  async get(view: View, id: string): Promise<Projected | undefined> {
    const row = await this.takes.one(view, { id });
    return row && projectedOf(row);
  }

  async list(siteIds: readonly string[], filter: { roomId: string; ids: readonly string[] | undefined }, page: Page): Promise<Projected[]> {
    const conditions: Where<typeof columns>[] = [
      { site_id: { [Op.in]: [...siteIds] } },
      ...(filter.roomId === "" ? [] : [{ room_id: filter.roomId }]),
      ...(filter.ids ? [{ id: { [Op.in]: [...filter.ids] } }] : []),
      ...(page.after === undefined ? [] : [{ id: { [Op.lt]: page.after } }]),
    ];
    const rows = await this.takes.all(undefined, { where: { [Op.and]: conditions }, order: [["id", "DESC"]], limit: page.size + 1 });
    return rows.map(projectedOf);
  }

  /** How far every take is, without the takes themselves. */
  async reached(): Promise<{ id: string; entries: number; userId: string; running: boolean; settled: boolean }[]> {
    const rows = await this.takes.some(undefined, ["id", "entries", "user_id", "state", "reading_copy"]);
    return rows.map(({ id, entries, user_id, state, reading_copy }) => {
      const running = (state as TakeState) !== TakeState.ENDED;
      return {
        id,
        entries,
        userId: user_id,
        running,
        settled: !running && (reading_copy as ReadingCopyState) !== ReadingCopyState.UNSPECIFIED,
      };
    });
  }

  async save(tx: Tx, { take, entries, userId, readingCopy, readingCopyReason }: Projected): Promise<void> {
    const { id } = take;
    await this.takes.remove(tx, { id });
    await this.takes.insert(tx, {
      id,
      site_id: take.siteId,
      room_id: take.roomId,
      state: take.state,
      started_at_ms: Number(take.startedAtMs),
      user_id: userId,
      entries,
      take: toBinary(TakeSchema, take),
      reading_copy: readingCopy,
      reading_copy_reason: readingCopyReason,
    });
  }

  /** Where nothing of it was projected yet. */
  empty(): Projected {
    return {
      take: create(TakeSchema),
      entries: 0,
      userId: "",
      readingCopy: ReadingCopyState.UNSPECIFIED,
      readingCopyReason: "",
    };
  }

  async setReadingCopy(tx: Tx, id: string, state: ReadingCopyState, reason = ""): Promise<void> {
    await this.takes.update(tx, { id }, { reading_copy: state, reading_copy_reason: reason.slice(0, 500) });
  }
}

function projectedOf(row: RowOf<typeof columns>): Projected {
  return {
    take: fromBinary(TakeSchema, row.take),
    entries: row.entries,
    userId: row.user_id,
    readingCopy: row.reading_copy,
    readingCopyReason: row.reading_copy_reason,
  };
}
