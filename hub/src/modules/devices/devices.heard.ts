import { clone, create, equals, fromJsonString, type JsonReadOptions, toJsonString } from "@bufbuild/protobuf";
import { type RoomSnapshot, RoomSnapshotSchema, SnapshotPhase } from "@xiezhi/protos/gen/xiezhi/agents/v1/snapshots_pb.js";
import { CommandOutcome, DeviceEventSchema, EventsTakenSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, type Device, DeviceSchema, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { AGENT, type DeviceName } from "@xiezhi/protos/topics.ts";
import type { LinkState, RoomKey } from "../../platform/agents/agents.ts";
import { type Call, programCall } from "../../platform/call.ts";
import type { Tx } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import type { DevicesStore } from "./devices.store.ts";

const TEXT_MAX = 200;
const leniently: Partial<JsonReadOptions> = { ignoreUnknownFields: true };

/** What one room has said and the database does not hold yet. */
interface Said extends RoomKey {
  devices: Map<string, Device>;
  snapshot?: RoomSnapshot;
}

export function watchTopic(roomId: string): string {
  return `devices/room/${roomId}`;
}

/**
 * Hears the rooms' bridges: states into the database, many in one transaction where many come at once; which rooms are heard now;
 * events, each once. What a message says of its room counts for nothing: the topic does, which the broker has checked.
 */
export class RoomsHeard {
  private readonly platform: Platform;
  private readonly store: DevicesStore;
  private readonly sites: SitesService;
  private readonly links = new Map<string, LinkState>();
  private readonly openedAtMs: number;
  /** What the database holds of the rooms that were heard: ten thousand states a second can't each ask for it. */
  private readonly known = new Map<string, Map<string, Device>>();
  private waiting = new Map<string, Said>();
  private writing = false;
  /** Events one after the other: two of one id side by side would each find that nobody has taken it. */
  private taking: Promise<void> = Promise.resolve();

  constructor(platform: Platform, store: DevicesStore, sites: SitesService) {
    this.platform = platform;
    this.store = store;
    this.sites = sites;
    this.openedAtMs = platform.clock.nowMs();
    const { broker } = platform;
    broker.hear("state", (name, text) => {
      this.read(name, () => this.said(name).devices.set(name.deviceId, deviceOf(name, text)));
    });
    broker.hear("snapshot", (name, text) => {
      this.read(name, () => {
        this.snapshot(this.said(name), fromJsonString(RoomSnapshotSchema, text, leniently));
      });
    });
    broker.hear("availability", (name, text) => {
      if (name.deviceId !== AGENT) return;
      this.read(name, () => this.became(name, fromJsonString(DeviceStateSchema, text, leniently).availability === Availability.AVAILABLE));
    });
    broker.hear("event", (name, text) => {
      this.taking = this.taking.then(() => this.event(name, text));
    });
    broker.onLost(() => {
      for (const [key, { connected }] of this.links) if (connected) this.became(keyed(key), false);
    });
  }

  /** Whether a room is heard, and since when that is so. */
  link(room: RoomKey): LinkState {
    return this.links.get(keyOf(room)) ?? { connected: false, sinceMs: this.openedAtMs };
  }

  /** Nothing is known of a room that isn't heard: its devices are unknown since then, last proven when they were. */
  asProven(devices: readonly Device[], rooms: readonly RoomKey[]): Device[] {
    return devices.map((device) => {
      const room = rooms.find(({ roomId }) => roomId === device.roomId);
      const { connected, sinceMs } = room ? this.link(room) : { connected: false, sinceMs: 0 };
      if (connected) return device;
      const state = device.state ? clone(DeviceStateSchema, device.state) : create(DeviceStateSchema);
      Object.assign(state, { availability: Availability.UNKNOWN, reason: "", sinceMs: BigInt(sinceMs) });
      return create(DeviceSchema, { ...device, state });
    });
  }

  /** What a room says wrongly costs that message, not the others. */
  private read({ siteId, roomId }: RoomKey, fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.platform.log.warn(
        { site: siteId, room: roomId, why: (error as Error).message.slice(0, TEXT_MAX) },
        "a room's message can't be read",
      );
      return;
    }
    void this.write();
  }

  private said({ siteId, roomId }: RoomKey): Said {
    const key = keyOf({ siteId, roomId });
    const said = this.waiting.get(key) ?? { siteId, roomId, devices: new Map() };
    this.waiting.set(key, said);
    return said;
  }

  /** What was said before an end and isn't named by it is gone; what is said after it is new. */
  private snapshot(said: Said, snapshot: RoomSnapshot): void {
    said.snapshot = snapshot;
    if (snapshot.phase !== SnapshotPhase.END) return;
    for (const id of said.devices.keys()) if (!snapshot.deviceIds.includes(id)) said.devices.delete(id);
  }

  private became(room: RoomKey, connected: boolean): void {
    const key = keyOf(room);
    if (this.links.get(key)?.connected === connected) return;
    this.links.set(key, { connected, sinceMs: this.platform.clock.nowMs() });
    this.platform.hints.touch(watchTopic(room.roomId));
    if (!connected) void this.remember(room);
  }

  private async remember(room: RoomKey): Promise<void> {
    try {
      const known = await this.store.list(undefined, [room.roomId]);
      await this.platform.database.transaction(async (tx) => {
        for (const device of this.asProven(known, [room])) await this.store.became(tx, device, Number(device.state?.sinceMs ?? 0n));
      });
    } catch (error) {
      this.platform.log.error({ err: error, room: room.roomId }, "a room's going is not in the history");
    }
  }

  private async write(): Promise<void> {
    if (this.writing) return;
    this.writing = true;
    try {
      while (this.waiting.size > 0) {
        const batch = [...this.waiting.values()];
        this.waiting = new Map();
        await this.writeBatch(batch);
      }
    } finally {
      this.writing = false;
    }
  }

  private async writeBatch(batch: readonly Said[]): Promise<void> {
    const { database, log } = this.platform;
    const ours: Said[] = [];
    for (const said of batch) {
      try {
        if (said.snapshot?.room) await this.sites.rememberRoom({ ...said.snapshot.room, id: said.roomId }, said.siteId);
        if ((await this.sites.room(undefined, said.roomId))?.siteId === said.siteId) ours.push(said);
      } catch (error) {
        log.warn({ err: error, room: said.roomId }, "a room is not taken as it says it is");
      }
    }
    try {
      for (const room of ours) await this.knownOf(room);
      await database.transaction((tx) => this.writeAll(tx, ours));
    } catch (error) {
      for (const room of ours) this.known.delete(keyOf(room));
      log.error({ err: error }, "what rooms said of their devices is not kept; they say it again");
    }
  }

  private async writeAll(tx: Tx, ours: readonly Said[]): Promise<void> {
    for (const said of ours) {
      const { roomId, devices, snapshot } = said;
      const known = this.known.get(keyOf(said)) ?? new Map<string, Device>();
      if (snapshot?.phase === SnapshotPhase.END) {
        const gone = [...known.keys()].filter((id) => !snapshot.deviceIds.includes(id));
        await this.store.remove(tx, roomId, gone);
        for (const id of gone) known.delete(id);
      }
      for (const device of devices.values()) {
        const had = known.get(device.id);
        if (!isNewer(device, had)) continue;
        if (had) await this.store.remove(tx, roomId, [device.id]);
        await this.store.add(tx, device);
        known.set(device.id, device);
        if (had?.state?.availability !== device.state?.availability)
          await this.store.became(tx, device, Number(device.state?.sinceMs ?? 0n));
      }
      tx.afterCommit(() => this.platform.hints.touch(watchTopic(roomId)));
    }
  }

  private async knownOf(room: RoomKey): Promise<void> {
    const key = keyOf(room);
    if (this.known.has(key)) return;
    const devices = await this.store.list(undefined, [room.roomId]);
    this.known.set(key, new Map(devices.map((device) => [device.id, device])));
  }

  /** Durable here before the room is told that it may forget it. */
  private async event(name: DeviceName, text: string): Promise<void> {
    const { audit, broker, clock, database, log } = this.platform;
    const { siteId, roomId, deviceId } = name;
    try {
      const { id, what } = fromJsonString(DeviceEventSchema, text, leniently);
      if ((await this.sites.room(undefined, roomId))?.siteId !== siteId) return;
      await database.transaction(async (tx) => {
        if (!(await this.store.take(tx, roomId, id.slice(0, 64), clock.nowMs())) || what.case !== "obeyed") return;
        const { command, result } = what.value;
        const done = result?.outcome === CommandOutcome.DONE;
        const call: Call = {
          ...programCall("devices.Obeyed"),
          from: `${siteId}/${roomId} ${command?.sentBy ?? ""}`.trim(),
          request: { id: command?.id.slice(0, 64) ?? "", digest: "" },
        };
        await audit.append(tx, call, { id: `${roomId}/${deviceId}`, siteId }, done ? "ok" : (result?.reason || "UNKNOWN").slice(0, 100));
      });
      await broker.say(
        { siteId, roomId, deviceId: AGENT },
        "taken",
        toJsonString(EventsTakenSchema, create(EventsTakenSchema, { ids: [id] })),
      );
    } catch (error) {
      log.warn({ err: error, room: roomId }, "a room's event is not taken; it says it again");
    }
  }
}

function keyOf({ siteId, roomId }: RoomKey): string {
  return `${siteId}/${roomId}`;
}

function keyed(key: string): RoomKey {
  const [siteId = "", roomId = ""] = key.split("/");
  return { siteId, roomId };
}

/** Within one boot of the agent the number only grows; what comes late is dropped. */
function isNewer(device: Device, known: Device | undefined): boolean {
  if (!known) return true;
  const [said, had] = [device.state, known.state];
  if (said && had && had.bootId === said.bootId && said.seq < had.seq) return false;
  return !equals(DeviceSchema, device, known);
}

/** Texts of a device come from outside: bounded, and under the names of its topic. */
function deviceOf({ roomId, deviceId }: DeviceName, text: string): Device {
  const device = fromJsonString(DeviceSchema, text, leniently);
  const { name, state } = device;
  return create(DeviceSchema, {
    ...device,
    roomId,
    id: deviceId,
    name: name.slice(0, TEXT_MAX),
    ...(state && { state: { ...state, reason: state.reason.slice(0, TEXT_MAX) } }),
  });
}
