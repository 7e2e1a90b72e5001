import { create } from "@bufbuild/protobuf";
import { type Case, CaseSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { type Hearing, HearingSchema, HearingState } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { Op } from "sequelize";
import { type Database, isDuplicate, type Tx, type View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { type RowOf, Table, type Where } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

const hearingColumns = {
  id: "text",
  site_id: "text",
  room_id: "text",
  kind: "whole",
  state: "whole",
  title: "text",
  listed_from_ms: "whole",
  listed_to_ms: "whole",
  case_procedure: "whole",
  publicity: "whole",
  publicity_ground: "text",
  secrecy: "whole",
} as const;
const hearingTable = new Table("hearings", ["id"], hearingColumns);
const caseTable = new Table("hearings_cases", ["hearing_id", "case_id"], { hearing_id: "text", case_id: "text" } as const);
const personTable = new Table("hearings_people", ["hearing_id", "place"], {
  hearing_id: "text",
  place: "whole",
  seat_id: "text",
  name: "text",
  role: "text",
  from_ms: "whole",
  to_ms: "whole",
} as const);
/** `to_us` 0 while the span is open; `began_ms`: UTC ms of the take's tick 0, by its room's clock. */
const linkTable = new Table("hearings_takes", ["take_id", "hearing_id", "from_us"], {
  take_id: "text",
  hearing_id: "text",
  from_us: "whole",
  to_us: "whole",
  room_id: "text",
  began_ms: "whole",
} as const);
/** Hearings that wait for a person to say which takes hold them. */
const contestedTable = new Table("hearings_contested", ["hearing_id"], { hearing_id: "text", site_id: "text", since_ms: "whole" } as const);
/** What a person has said of a take and a hearing: it stays said when takes are projected anew. */
const settledTable = new Table("hearings_settled", ["hearing_id", "take_id"], {
  hearing_id: "text",
  take_id: "text",
  belongs: "flag",
} as const);
/** The row that guards "one hearing at a time in this room" where writers run side by side. */
const roomTable = new Table("hearings_rooms", ["room_id"], { room_id: "text" } as const);

export const migrations: readonly Migration[] = [
  {
    name: "0001-hearings",
    ddl: `CREATE TABLE hearings (id VARCHAR(64) NOT NULL PRIMARY KEY, site_id VARCHAR(64) NOT NULL, room_id VARCHAR(64) NOT NULL, kind BIGINT NOT NULL,
      state BIGINT NOT NULL, title TEXT NOT NULL, listed_from_ms BIGINT NOT NULL, listed_to_ms BIGINT NOT NULL, case_procedure BIGINT NOT NULL,
      publicity BIGINT NOT NULL, publicity_ground TEXT NOT NULL, secrecy BIGINT NOT NULL)`,
  },
  { name: "0002-by-room", ddl: "CREATE INDEX hearings_by_room ON hearings (room_id, listed_from_ms)" },
  {
    name: "0003-cases",
    ddl: "CREATE TABLE hearings_cases (hearing_id VARCHAR(64) NOT NULL, case_id VARCHAR(36) NOT NULL, PRIMARY KEY (hearing_id, case_id))",
  },
  { name: "0004-by-case", ddl: "CREATE INDEX hearings_by_case ON hearings_cases (case_id)" },
  {
    name: "0005-people",
    ddl: `CREATE TABLE hearings_people (hearing_id VARCHAR(64) NOT NULL, place BIGINT NOT NULL, seat_id VARCHAR(64) NOT NULL, name TEXT NOT NULL,
      role VARCHAR(60) NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, PRIMARY KEY (hearing_id, place))`,
  },
  {
    name: "0006-takes",
    ddl: `CREATE TABLE hearings_takes (take_id VARCHAR(36) NOT NULL, hearing_id VARCHAR(64) NOT NULL, from_us BIGINT NOT NULL, to_us BIGINT NOT NULL,
      PRIMARY KEY (take_id, hearing_id, from_us))`,
  },
  { name: "0007-by-hearing", ddl: "CREATE INDEX hearings_takes_by_hearing ON hearings_takes (hearing_id)" },
  { name: "0008-rooms", ddl: "CREATE TABLE hearings_rooms (room_id VARCHAR(64) NOT NULL PRIMARY KEY)" },
  { name: "0009-takes-room", ddl: "ALTER TABLE hearings_takes ADD COLUMN room_id VARCHAR(64) NOT NULL DEFAULT ''" },
  { name: "0010-takes-began", ddl: "ALTER TABLE hearings_takes ADD COLUMN began_ms BIGINT NOT NULL DEFAULT 0" },
  {
    name: "0011-contested",
    ddl: "CREATE TABLE hearings_contested (hearing_id VARCHAR(64) NOT NULL PRIMARY KEY, site_id VARCHAR(64) NOT NULL, since_ms BIGINT NOT NULL)",
  },
  {
    name: "0012-settled",
    ddl: `CREATE TABLE hearings_settled (hearing_id VARCHAR(64) NOT NULL, take_id VARCHAR(36) NOT NULL, belongs BOOLEAN NOT NULL,
      PRIMARY KEY (hearing_id, take_id))`,
  },
];

export interface Link {
  takeId: string;
  hearingId: string;
  fromUs: number;
  toUs: number;
  roomId: string;
  beganMs: number;
}

export interface Contested {
  hearingId: string;
  siteId: string;
  sinceMs: number;
}

export interface HearingFilter {
  siteIds?: readonly string[];
  roomId?: string;
  caseId?: string;
  states?: readonly HearingState[];
  /** Touches [fromMs, toMs); 0: open. */
  fromMs?: number;
  toMs?: number;
}

export class HearingsStore {
  private readonly hearings;
  private readonly cases;
  private readonly people;
  private readonly links;
  private readonly rooms;
  private readonly contests;
  private readonly settlements;

  constructor(database: Database) {
    this.hearings = hearingTable.in(database);
    this.cases = caseTable.in(database);
    this.people = personTable.in(database);
    this.links = linkTable.in(database);
    this.rooms = roomTable.in(database);
    this.contests = contestedTable.in(database);
    this.settlements = settledTable.in(database);
  }

  /** The row that `guardRoom` locks, made once and before: two transactions that make it deadlock. */
  async ensureGuard(database: Database, roomId: string): Promise<void> {
    if (await this.rooms.one(undefined, { room_id: roomId })) return;
    await database
      .transaction((tx) => this.rooms.insert(tx, { room_id: roomId }))
      .catch((error: unknown) => {
        if (!isDuplicate(error)) throw error;
      });
  }

  /** Until the transaction ends nobody else lists a hearing in this room. */
  async guardRoom(tx: Tx, roomId: string): Promise<void> {
    await this.rooms.lock(tx, { room_id: roomId });
  }

  /** Cases are named by id only: their text belongs to another module. */
  async get(view: View, id: string): Promise<Hearing | undefined> {
    const row = await this.hearings.one(view, { id });
    return row && (await this.whole(view, [row]))[0];
  }

  /** A hearing that holds the room at some time of [fromMs, toMs); back-to-back is no overlap. */
  async overlapping(tx: Tx, roomId: string, fromMs: number, toMs: number): Promise<Hearing | undefined> {
    const row = await this.hearings.one(tx, {
      room_id: roomId,
      state: { [Op.in]: [HearingState.LISTED, HearingState.RUNNING] },
      listed_from_ms: { [Op.lt]: toMs },
      listed_to_ms: { [Op.gt]: fromMs },
    });
    return row && (await this.whole(tx, [row]))[0];
  }

  async list(view: View, filter: HearingFilter, page?: Page): Promise<Hearing[]> {
    const { siteIds, roomId, caseId, states, fromMs = 0, toMs = 0 } = filter;
    const ofCase = caseId ? (await this.cases.all(view, { where: { case_id: caseId } })).map(({ hearing_id }) => hearing_id) : undefined;
    const conditions: Where<typeof hearingColumns>[] = [
      ...(siteIds ? [{ site_id: { [Op.in]: [...siteIds] } }] : []),
      ...(roomId ? [{ room_id: roomId }] : []),
      ...(ofCase ? [{ id: { [Op.in]: ofCase } }] : []),
      ...(states ? [{ state: { [Op.in]: [...states] } }] : []),
      ...(fromMs > 0 ? [{ listed_to_ms: { [Op.gt]: fromMs } }] : []),
      ...(toMs > 0 ? [{ listed_from_ms: { [Op.lt]: toMs } }] : []),
      ...(page?.after === undefined ? [] : [beyond(page.after)]),
    ];
    const rows = await this.hearings.all(view, {
      where: { [Op.and]: conditions },
      order: [
        ["listed_from_ms", "ASC"],
        ["id", "ASC"],
      ],
      ...(page && { limit: page.size + 1 }),
    });
    return this.whole(view, rows);
  }

  async add(tx: Tx, hearing: Hearing): Promise<void> {
    const { id, siteId, roomId, kind, state, title, listedFromMs, listedToMs, procedure, publicity, publicityGround, secrecy } = hearing;
    await this.hearings.insert(tx, {
      id,
      site_id: siteId,
      room_id: roomId,
      kind,
      state,
      title,
      listed_from_ms: Number(listedFromMs),
      listed_to_ms: Number(listedToMs),
      case_procedure: procedure,
      publicity,
      publicity_ground: publicityGround,
      secrecy,
    });
    await this.linkCases(
      tx,
      id,
      hearing.cases.map((each) => each.id),
    );
    await this.people.insertAll(
      tx,
      hearing.people.map(({ seatId, name, role, fromMs, toMs }, place) => ({
        hearing_id: id,
        place,
        seat_id: seatId,
        name,
        role,
        from_ms: Number(fromMs),
        to_ms: Number(toMs),
      })),
    );
  }

  async setState(tx: Tx, id: string, state: HearingState): Promise<void> {
    await this.hearings.update(tx, { id }, { state });
  }

  async linkCases(tx: Tx, id: string, caseIds: readonly string[]): Promise<void> {
    const linked = (await this.cases.all(tx, { where: { hearing_id: id } })).map(({ case_id }) => case_id);
    const missing = [...new Set(caseIds)].filter((caseId) => !linked.includes(caseId));
    await this.cases.insertAll(
      tx,
      missing.map((caseId) => ({ hearing_id: id, case_id: caseId })),
    );
  }

  async linksOf(view: View, by: { takeId: string } | { hearingIds: readonly string[] }): Promise<Link[]> {
    const where = "takeId" in by ? { take_id: by.takeId } : { hearing_id: { [Op.in]: [...by.hearingIds] } };
    const rows = await this.links.all(view, { where, order: [["from_us", "ASC"]] });
    return rows.map(({ take_id, hearing_id, from_us, to_us, room_id, began_ms }) => ({
      takeId: take_id,
      hearingId: hearing_id,
      fromUs: from_us,
      toUs: to_us,
      roomId: room_id,
      beganMs: began_ms,
    }));
  }

  /** Not where a person has said that this take does not hold this hearing. */
  async openLink(tx: Tx, { takeId, hearingId, fromUs, roomId, beganMs }: Omit<Link, "toUs">): Promise<void> {
    if ((await this.settlements.one(tx, { hearing_id: hearingId, take_id: takeId }))?.belongs === false) return;
    const key = { take_id: takeId, hearing_id: hearingId, from_us: fromUs };
    if (!(await this.links.one(tx, key))) await this.links.insert(tx, { ...key, to_us: 0, room_id: roomId, began_ms: beganMs });
  }

  async settle(tx: Tx, hearingId: string, takeId: string, belongs: boolean): Promise<void> {
    const key = { hearing_id: hearingId, take_id: takeId };
    await this.settlements.remove(tx, key);
    await this.settlements.insert(tx, { ...key, belongs });
    if (!belongs) await this.links.remove(tx, key);
  }

  /** Takes of which a person has said that they hold this hearing, or do not. */
  async settled(view: View, hearingId: string): Promise<string[]> {
    return (await this.settlements.all(view, { where: { hearing_id: hearingId } })).map(({ take_id }) => take_id);
  }

  async contested(view: View, hearingIds?: readonly string[]): Promise<Contested[]> {
    const rows = await this.contests.all(view, hearingIds ? { where: { hearing_id: { [Op.in]: [...hearingIds] } } } : {});
    return rows.map(({ hearing_id, site_id, since_ms }) => ({ hearingId: hearing_id, siteId: site_id, sinceMs: since_ms }));
  }

  async contest(tx: Tx, { hearingId, siteId, sinceMs }: Contested): Promise<void> {
    await this.contests.insert(tx, { hearing_id: hearingId, site_id: siteId, since_ms: sinceMs });
  }

  async uncontest(tx: Tx, hearingId: string): Promise<void> {
    await this.contests.remove(tx, { hearing_id: hearingId });
  }

  /** Ends the take's open spans, those of one hearing or all; gives the hearings that lost one. */
  async closeLinks(tx: Tx, takeId: string, toUs: number, hearingId?: string): Promise<string[]> {
    const where = { take_id: takeId, to_us: 0, ...(hearingId === undefined ? {} : { hearing_id: hearingId }) };
    const open = await this.links.all(tx, { where });
    // 0 would say that the span is still open.
    await this.links.update(tx, where, { to_us: Math.max(1, toUs) });
    return open.map(({ hearing_id }) => hearing_id);
  }

  private async whole(view: View, rows: readonly RowOf<typeof hearingColumns>[]): Promise<Hearing[]> {
    if (rows.length === 0) return [];
    const ids = rows.map(({ id }) => id);
    const where = { hearing_id: { [Op.in]: ids } };
    const cases = await this.cases.all(view, { where });
    const people = await this.people.all(view, { where, order: [["place", "ASC"]] });
    const links = await this.linksOf(view, { hearingIds: ids });
    const contested = new Set((await this.contested(view, ids)).map(({ hearingId }) => hearingId));
    return rows.map((row) =>
      create(HearingSchema, {
        id: row.id,
        siteId: row.site_id,
        roomId: row.room_id,
        kind: row.kind,
        state: row.state,
        title: row.title,
        listedFromMs: BigInt(row.listed_from_ms),
        listedToMs: BigInt(row.listed_to_ms),
        procedure: row.case_procedure,
        publicity: row.publicity,
        publicityGround: row.publicity_ground,
        secrecy: row.secrecy,
        cases: cases.filter(({ hearing_id }) => hearing_id === row.id).map(({ case_id }): Case => create(CaseSchema, { id: case_id })),
        people: people
          .filter(({ hearing_id }) => hearing_id === row.id)
          .map(({ seat_id, name, role, from_ms, to_ms }) => ({
            seatId: seat_id,
            name,
            role,
            fromMs: BigInt(from_ms),
            toMs: BigInt(to_ms),
          })),
        takes: links
          .filter(({ hearingId }) => hearingId === row.id)
          .map(({ takeId, hearingId, fromUs, toUs }) => ({ takeId, hearingId, fromUs: BigInt(fromUs), toUs: BigInt(toUs) })),
        contested: contested.has(row.id),
      }),
    );
  }
}

/** After the row that a page ended with: its time, then its id. */
function beyond(key: string): Where<typeof hearingColumns> {
  const at = Number(/^\d{1,15}(?=\/)/.exec(key)?.[0] ?? 0);
  const id = key.slice(key.indexOf("/") + 1);
  return { [Op.or]: [{ listed_from_ms: { [Op.gt]: at } }, { listed_from_ms: at, id: { [Op.gt]: id } }] };
}
