import { clone, create, equals } from "@bufbuild/protobuf";
import { AgentService, type ReportResponse } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import {
  Availability,
  type Device,
  DeviceSchema,
  DeviceStateSchema,
  type RoomLink,
  RoomLinkSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import type { Agents, RoomKey } from "../../platform/agents/agents.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./devices.errors.ts";
import type { DevicesStore } from "./devices.store.ts";

/** An agent that breaks off its report is asked again after this long, while it can be called. */
const AGAIN_MS = 1_000;
const TEXT_MAX = 200;

function topic(roomId: string): string {
  return `devices/room/${roomId}`;
}

/** What stands in the rooms and how it is, as their agents report it. */
export class DevicesService {
  private readonly platform: Platform;
  private readonly store: DevicesStore;
  private readonly sites: SitesService;
  private readonly agents: Agents;

  constructor(platform: Platform, store: DevicesStore, sites: SitesService, agents: Agents) {
    this.platform = platform;
    this.store = store;
    this.sites = sites;
    this.agents = agents;
    agents.onConnected((room, closed) => void this.follow(room, closed));
    agents.onGone((room) => void this.gone(room));
  }

  async list(siteIds: readonly string[], roomId: string, request: PageRequest): Promise<{ devices: Device[]; nextPageToken: string }> {
    const rooms = await this.rooms(siteIds, roomId);
    const page = pageOf(request);
    const found = await this.store.list(
      undefined,
      rooms.map((room) => room.roomId),
      page,
    );
    const { rows, nextPageToken } = paged(page, found, ({ roomId: room, id }) => `${room}/${id}`);
    return { devices: this.asProven(rows, rooms), nextPageToken };
  }

  async *watch(siteIds: readonly string[], roomId: string, signal: AbortSignal): AsyncGenerator<{ devices: Device[]; links: RoomLink[] }> {
    const rooms = await this.rooms(siteIds, roomId);
    const ids = rooms.map((room) => room.roomId);
    for await (const _ of this.platform.hints.watch(ids.map(topic), signal)) {
      const devices = this.asProven(await this.store.list(undefined, ids), rooms);
      const links = rooms.map((room) => {
        const { connected, sinceMs } = this.agents.state(room);
        return create(RoomLinkSchema, { roomId: room.roomId, connected, sinceMs: BigInt(sinceMs) });
      });
      yield { devices, links };
    }
  }

  /** Hears one room's reports for as long as its connection lives. */
  private async follow(room: RoomKey, closed: AbortSignal): Promise<void> {
    this.platform.hints.touch(topic(room.roomId));
    while (!closed.aborted) {
      try {
        const client = this.agents.client(room, AgentService);
        if (client) for await (const report of client.report({}, { signal: closed })) await this.heard(room, report);
      } catch (error) {
        if (!closed.aborted) this.platform.log.warn({ err: error, room: room.roomId }, "a room's report broke off");
      }
      await this.platform.clock.sleep(AGAIN_MS, closed).catch(() => undefined);
    }
  }

  private async heard(key: RoomKey, { room, devices, bootId }: ReportResponse): Promise<void> {
    const { siteId, roomId } = key;
    if (room) await this.sites.rememberRoom({ ...room, id: roomId }, siteId);
    const known = await this.store.list(undefined, [roomId]);
    const said = devices.map((device) => bounded(device, roomId));
    const newer = said.filter((device) =>
      isNewer(
        device,
        known.find(({ id }) => id === device.id),
        bootId,
      ),
    );
    const gone = known.filter(({ id }) => !said.some((device) => device.id === id)).map(({ id }) => id);
    if (newer.length + gone.length === 0) return;
    await this.platform.database.transaction(async (tx) => {
      for (const device of newer) {
        const before = known.find(({ id }) => id === device.id)?.state?.availability;
        await this.store.save(tx, device);
        if (before !== device.state?.availability) await this.store.became(tx, device, Number(device.state?.sinceMs ?? 0n));
      }
      await this.store.remove(tx, roomId, gone);
      tx.afterCommit(() => this.platform.hints.touch(topic(roomId)));
    });
  }

  private async gone(room: RoomKey): Promise<void> {
    this.platform.hints.touch(topic(room.roomId));
    try {
      const known = await this.store.list(undefined, [room.roomId]);
      await this.platform.database.transaction(async (tx) => {
        for (const device of this.asProven(known, [room])) await this.store.became(tx, device, Number(device.state?.sinceMs ?? 0n));
      });
    } catch (error) {
      this.platform.log.error({ err: error, room: room.roomId }, "a room's going is not in the history");
    }
  }

  private async rooms(siteIds: readonly string[], roomId: string): Promise<RoomKey[]> {
    if (roomId === "") return (await this.sites.roomsOf(siteIds)).map(({ id, siteId }) => ({ roomId: id, siteId }));
    const room = await this.sites.room(undefined, roomId);
    if (!room) throw errors.noRoom();
    return [{ roomId, siteId: room.siteId }];
  }

  /** Nothing is known of a room that can't be heard: its devices are unknown since the link went, last proven when they were. */
  private asProven(devices: readonly Device[], rooms: readonly RoomKey[]): Device[] {
    return devices.map((device) => {
      const room = rooms.find(({ roomId }) => roomId === device.roomId);
      const link = room ? this.agents.state(room) : { connected: false, sinceMs: 0 };
      if (link.connected) return device;
      const state = device.state ? clone(DeviceStateSchema, device.state) : create(DeviceStateSchema);
      Object.assign(state, { availability: Availability.UNKNOWN, reason: "", sinceMs: BigInt(link.sinceMs) });
      return create(DeviceSchema, { ...device, state });
    });
  }
}

/** Within one boot of the agent the number only grows; what comes late is dropped. */
function isNewer(device: Device, known: Device | undefined, bootId: string): boolean {
  if (!known) return true;
  const [said, had] = [device.state, known.state];
  if (said && had && had.bootId === (said.bootId || bootId) && said.seq < had.seq) return false;
  return !equals(DeviceSchema, device, known);
}

/** Texts of a device come from outside: bounded, and under the room that the certificate names. */
function bounded(device: Device, roomId: string): Device {
  const { name, state } = device;
  return create(DeviceSchema, {
    ...device,
    roomId,
    id: device.id.slice(0, 64),
    name: name.slice(0, TEXT_MAX),
    ...(state && { state: { ...state, reason: state.reason.slice(0, TEXT_MAX) } }),
  });
}
