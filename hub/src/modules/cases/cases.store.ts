import { create } from "@bufbuild/protobuf";
import { type Case, CaseSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Op } from "sequelize";
import type { Database, Tx, View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { contains, type RowOf, Table } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

const caseColumns = {
  id: "text",
  site_id: "text",
  number: "text",
  number_kind: "whole",
  year: "whole",
  court_code: "text",
  type_code: "text",
  serial: "whole",
  suffix: "whole",
  title: "text",
  cause: "text",
  case_procedure: "whole",
  search: "text",
  created_at_ms: "whole",
} as const;
const caseTable = new Table("cases", ["id"], caseColumns);
const partyTable = new Table("cases_parties", ["case_id", "place"], {
  case_id: "text",
  place: "whole",
  role: "text",
  name: "text",
} as const);

export const migrations: readonly Migration[] = [
  {
    name: "0001-cases",
    ddl: `CREATE TABLE cases (id VARCHAR(36) NOT NULL PRIMARY KEY, site_id VARCHAR(64) NOT NULL, number VARCHAR(120) NOT NULL,
      number_kind BIGINT NOT NULL, year BIGINT NOT NULL, court_code VARCHAR(20) NOT NULL, type_code VARCHAR(20) NOT NULL, serial BIGINT NOT NULL,
      suffix BIGINT NOT NULL, title TEXT NOT NULL, cause TEXT NOT NULL, case_procedure BIGINT NOT NULL, search TEXT NOT NULL,
      created_at_ms BIGINT NOT NULL)`,
  },
  { name: "0002-number-once", ddl: "CREATE UNIQUE INDEX cases_number ON cases (site_id, number)" },
  {
    name: "0003-parties",
    ddl: `CREATE TABLE cases_parties (case_id VARCHAR(36) NOT NULL, place BIGINT NOT NULL, role VARCHAR(60) NOT NULL, name TEXT NOT NULL,
      PRIMARY KEY (case_id, place))`,
  },
];

export class CasesStore {
  private readonly cases;
  private readonly parties;

  constructor(database: Database) {
    this.cases = caseTable.in(database);
    this.parties = partyTable.in(database);
  }

  async get(view: View, id: string): Promise<Case | undefined> {
    return (await this.some(view, [id]))[0];
  }

  async some(view: View, ids: readonly string[]): Promise<Case[]> {
    if (ids.length === 0) return [];
    return this.withParties(view, await this.cases.all(view, { where: { id: { [Op.in]: [...ids] } } }));
  }

  async byNumber(view: View, siteId: string, number: string): Promise<Case | undefined> {
    const row = await this.cases.one(view, { site_id: siteId, number });
    return row && (await this.withParties(view, [row]))[0];
  }

  /** Newest first. */
  async list(siteIds: readonly string[], search: string, page: Page): Promise<Case[]> {
    const conditions = [
      { site_id: { [Op.in]: [...siteIds] } },
      ...(page.after === undefined ? [] : [{ id: { [Op.lt]: page.after } }]),
      ...(search === "" ? [] : [contains<typeof caseColumns>("search", search.toLowerCase())]),
    ];
    const rows = await this.cases.all(undefined, { where: { [Op.and]: conditions }, order: [["id", "DESC"]], limit: page.size + 1 });
    return this.withParties(undefined, rows);
  }

  async add(tx: Tx, found: Case): Promise<void> {
    const { id, siteId, number, title, cause, procedure, parties, createdAtMs } = found;
    await this.cases.insert(tx, {
      id,
      site_id: siteId,
      number: number?.text ?? "",
      number_kind: number?.kind ?? 0,
      year: number?.year ?? 0,
      court_code: number?.courtCode ?? "",
      type_code: number?.typeCode ?? "",
      serial: Number(number?.serial ?? 0),
      suffix: number?.suffix ?? 0,
      title,
      cause,
      case_procedure: procedure,
      search: [number?.text ?? "", title, ...parties.map(({ name }) => name)].join("\n").toLowerCase(),
      created_at_ms: Number(createdAtMs),
    });
    await this.parties.insertAll(
      tx,
      parties.map(({ role, name }, place) => ({ case_id: id, place, role, name })),
    );
  }

  private async withParties(view: View, rows: readonly RowOf<typeof caseColumns>[]): Promise<Case[]> {
    if (rows.length === 0) return [];
    const parties = await this.parties.all(view, { where: { case_id: { [Op.in]: rows.map(({ id }) => id) } }, order: [["place", "ASC"]] });
    return rows.map((row) =>
      create(CaseSchema, {
        id: row.id,
        siteId: row.site_id,
        number: {
          kind: row.number_kind,
          text: row.number,
          year: row.year,
          courtCode: row.court_code,
          typeCode: row.type_code,
          serial: BigInt(row.serial),
          suffix: row.suffix,
        },
        title: row.title,
        cause: row.cause,
        procedure: row.case_procedure,
        parties: parties.filter(({ case_id }) => case_id === row.id).map(({ role, name }) => ({ role, name })),
        createdAtMs: BigInt(row.created_at_ms),
      }),
    );
  }
}
