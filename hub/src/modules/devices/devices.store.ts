import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Device, DeviceSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { Op } from "sequelize";
import type { Database, Tx, View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { Table } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

/** Last proven state, as the room said it. */
const deviceTable = new Table("devices", ["room_id", "id"], { room_id: "text", id: "text", device: "bytes" } as const);
/** When a device's availability became another one. */
const historyTable = new Table("devices_history", ["room_id", "device_id", "at_ms"], {
  room_id: "text",
  device_id: "text",
  at_ms: "whole",
  availability: "whole",
  reason: "text",
} as const);

/** Events that were taken, so that none counts twice. */
const eventTable = new Table("devices_events", ["room_id", "id"], { room_id: "text", id: "text", taken_ms: "whole" } as const);

export const migrations: readonly Migration[] = [
  {
    name: "0001-devices",
    ddl: "CREATE TABLE devices (room_id VARCHAR(64) NOT NULL, id VARCHAR(64) NOT NULL, device BLOB NOT NULL, PRIMARY KEY (room_id, id))",
  },
  {
    name: "0002-history",
    ddl: `CREATE TABLE devices_history (room_id VARCHAR(64) NOT NULL, device_id VARCHAR(64) NOT NULL, at_ms BIGINT NOT NULL,
      availability BIGINT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (room_id, device_id, at_ms))`,
  },
  {
    name: "0003-events",
    ddl: "CREATE TABLE devices_events (room_id VARCHAR(64) NOT NULL, id VARCHAR(64) NOT NULL, taken_ms BIGINT NOT NULL, PRIMARY KEY (room_id, id))",
  },
];

export class DevicesStore {
  private readonly devices;
  private readonly history;
  private readonly events;

  constructor(database: Database) {
    this.devices = deviceTable.in(database);
    this.history = historyTable.in(database);
    this.events = eventTable.in(database);
  }

  async list(view: View, roomIds: readonly string[], page?: Page): Promise<Device[]> {
    const [room = "", id = ""] = page?.after?.split("/") ?? [];
    const rows = await this.devices.all(view, {
      where: {
        room_id: { [Op.in]: [...roomIds] },
        ...(page?.after === undefined ? {} : { [Op.or]: [{ room_id: { [Op.gt]: room } }, { room_id: room, id: { [Op.gt]: id } }] }),
      },
      order: [
        ["room_id", "ASC"],
        ["id", "ASC"],
      ],
      ...(page && { limit: page.size + 1 }),
    });
    return rows.map(({ device }) => fromBinary(DeviceSchema, device));
  }

  async add(tx: Tx, device: Device): Promise<void> {
    const { roomId, id } = device;
    await this.devices.insert(tx, { room_id: roomId, id, device: toBinary(DeviceSchema, device) });
  }

  async remove(tx: Tx, roomId: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.devices.remove(tx, { room_id: roomId, id: { [Op.in]: [...ids] } });
  }

  async became(tx: Tx, { roomId, id, state }: Device, atMs: number): Promise<void> {
    const key = { room_id: roomId, device_id: id, at_ms: atMs };
    if (await this.history.one(tx, key)) return;
    await this.history.insert(tx, { ...key, availability: state?.availability ?? 0, reason: state?.reason ?? "" });
  }

  /** False: it was taken before. */
  async take(tx: Tx, roomId: string, id: string, nowMs: number): Promise<boolean> {
    if (await this.events.one(tx, { room_id: roomId, id })) return false;
    await this.events.insert(tx, { room_id: roomId, id, taken_ms: nowMs });
    return true;
  }
}
