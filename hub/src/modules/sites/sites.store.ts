import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Room, RoomSchema, type Site, SiteSchema } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { Op } from "sequelize";
import type { Database, Tx, View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { Table, type RowOf } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

const siteColumns = { id: "text", kind: "whole", name: "text", court_code: "text", parent_site_id: "text" } as const;
const siteTable = new Table("sites", ["id"], siteColumns);
/** A room with its seats is one small message that is only ever read whole. */
const roomTable = new Table("sites_rooms", ["id"], { id: "text", site_id: "text", room: "bytes" } as const);

export const migrations: readonly Migration[] = [
  {
    name: "0001-sites",
    ddl: `CREATE TABLE sites (id VARCHAR(64) NOT NULL PRIMARY KEY, kind BIGINT NOT NULL, name VARCHAR(190) NOT NULL,
      court_code VARCHAR(20) NOT NULL, parent_site_id VARCHAR(64) NOT NULL)`,
  },
  {
    name: "0002-rooms",
    ddl: "CREATE TABLE sites_rooms (id VARCHAR(64) NOT NULL PRIMARY KEY, site_id VARCHAR(64) NOT NULL, room BLOB NOT NULL)",
  },
  { name: "0003-rooms-by-site", ddl: "CREATE INDEX sites_rooms_by_site ON sites_rooms (site_id, id)" },
];

export class SitesStore {
  private readonly sites;
  private readonly rooms;

  constructor(database: Database) {
    this.sites = siteTable.in(database);
    this.rooms = roomTable.in(database);
  }

  async site(view: View, id: string): Promise<Site | undefined> {
    const row = await this.sites.one(view, { id });
    return row && siteOf(row);
  }

  async listSites(ids: readonly string[], page: Page): Promise<Site[]> {
    const rows = await this.sites.all(undefined, {
      where: { id: { [Op.in]: [...ids], ...(page.after === undefined ? {} : { [Op.gt]: page.after }) } },
      order: [["id", "ASC"]],
      limit: page.size + 1,
    });
    return rows.map(siteOf);
  }

  async saveSite(tx: Tx, { id, kind, name, courtCode, parentSiteId }: Site): Promise<void> {
    await this.sites.remove(tx, { id });
    await this.sites.insert(tx, { id, kind, name, court_code: courtCode, parent_site_id: parentSiteId });
  }

  async room(view: View, id: string): Promise<Room | undefined> {
    const row = await this.rooms.one(view, { id });
    return row && fromBinary(RoomSchema, row.room);
  }

  async listRooms(siteIds: readonly string[], page?: Page): Promise<Room[]> {
    const rows = await this.rooms.all(undefined, {
      where: { site_id: { [Op.in]: [...siteIds] }, ...(page?.after === undefined ? {} : { id: { [Op.gt]: page.after } }) },
      order: [["id", "ASC"]],
      ...(page && { limit: page.size + 1 }),
    });
    return rows.map(({ room }) => fromBinary(RoomSchema, room));
  }

  async saveRoom(tx: Tx, room: Room): Promise<void> {
    await this.rooms.remove(tx, { id: room.id });
    await this.rooms.insert(tx, { id: room.id, site_id: room.siteId, room: toBinary(RoomSchema, room) });
  }
}

function siteOf(row: RowOf<typeof siteColumns>): Site {
  return create(SiteSchema, {
    id: row.id,
    kind: row.kind,
    name: row.name,
    courtCode: row.court_code,
    parentSiteId: row.parent_site_id,
  });
}
