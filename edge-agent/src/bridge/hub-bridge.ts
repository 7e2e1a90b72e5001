import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { RoomSnapshotSchema, SnapshotPhase } from "@xiezhi/protos/gen/xiezhi/agents/v1/snapshots_pb.js";
import {
  CommandOutcome,
  CommandResultSchema,
  CommandSchema,
  DeviceEventSchema,
  EventsTakenSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, type DeviceState, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { AGENT, carriedUp, readTopic, roomFilter, roomPrefix, topicOf } from "@xiezhi/protos/topics.ts";
import { type MqttAddress, MqttLink } from "@xiezhi/rpc/mqtt/link.ts";
import type { AgentConfig } from "../agent.config.ts";
import { BRIDGE } from "../broker/broker.part.ts";
import type { Devices } from "../devices/devices.part.ts";
import { errors } from "../devices/devices.errors.ts";
import type { Outbox } from "../memory/outbox.ts";

/** Events that nobody has confirmed are said again after this long. */
const AGAIN_MS = 5_000;

export interface HubBridgeOptions {
  clock: Clock;
  log: Log;
  siteId: string;
  room: AgentConfig["room"];
  bootId: string;
  agentVersion: string;
  devices: Pick<Devices, "list">;
  outbox: Outbox<typeof DeviceEventSchema>;
  roomBroker: () => Promise<MqttAddress | undefined>;
  hubBroker: () => MqttAddress;
}

/**
 * Carries a listed set of topics from the room's broker to the hub's, and commands down. Nothing is queued while the hub is away but
 * events: states are said whole at the next connection, commands of then are nobody's any more.
 */
export class HubBridge {
  private readonly options: HubBridgeOptions;
  private readonly name: { siteId: string; roomId: string };
  private readonly agent: { siteId: string; roomId: string; deviceId: string };
  private readonly inRoom: MqttLink;
  private readonly atHub: MqttLink;
  /** What stands at the room's broker, by topic. */
  private readonly retained = new Map<string, string>();
  private whole = false;
  private timer: Timer | undefined;

  constructor(options: HubBridgeOptions) {
    this.options = options;
    const { clock, log, siteId, room, roomBroker, hubBroker } = options;
    this.name = { siteId, roomId: room.id };
    this.agent = { ...this.name, deviceId: AGENT };
    this.inRoom = new MqttLink({
      clock,
      log: log.child({ at: "room" }),
      clientId: BRIDGE,
      address: roomBroker,
      filters: carriedUp.map((leaf) => roomFilter(this.name, leaf)),
      heard: (topic, text, retained) => this.up(topic, text, retained),
      gone: () => {
        this.retained.clear();
        this.look();
      },
    });
    this.atHub = new MqttLink({
      clock,
      log: log.child({ at: "hub" }),
      clientId: `${siteId}/${room.id}`,
      address: hubBroker,
      filters: [roomFilter(this.name, "command"), ...(["taken", "availability"] as const).map((leaf) => topicOf(this.agent, leaf))],
      will: { topic: topicOf(this.agent, "availability"), payload: this.alive(false) },
      heard: (topic, text, retained) => this.down(topic, text, retained),
      connected: () => {
        this.whole = false;
        this.say(topicOf(this.agent, "availability"), this.alive(false));
        this.look();
        this.sayEvents();
      },
    });
  }

  start(): void {
    this.options.outbox.onAdd(() => this.sayEvents());
    this.inRoom.start();
    this.atHub.start();
    this.timer = this.options.clock.every(AGAIN_MS, () => this.sayEvents());
  }

  async close(): Promise<void> {
    this.timer?.cancel();
    if (this.atHub.isConnected)
      await this.atHub.publish(topicOf(this.agent, "availability"), this.alive(false), { retain: true }).catch(() => undefined);
    await Promise.all([this.atHub.close(), this.inRoom.close()]);
  }

  /** Said now if the hub is there; it stays in the outbox until the hub has it. */
  private sayEvents(): void {
    for (const event of this.options.outbox.waiting())
      this.say(topicOf({ ...this.name, deviceId: event.deviceId }, "event"), toJsonString(DeviceEventSchema, event), false);
  }

  private up(topic: string, text: string, retained: boolean): void {
    const named = readTopic(topic);
    if (!named || !topic.startsWith(roomPrefix(this.name))) return;
    if (named.leaf === "result") {
      if (!retained) this.say(topic, text, false);
      return;
    }
    this.retained.set(topic, text);
    if (this.whole && named.deviceId !== AGENT) this.say(topic, text);
    this.look();
  }

  /** The room is heard when its supervisor lives and has said every device; each time that begins, all of it is said anew. */
  private look(): void {
    const { devices } = this.options;
    const ids = devices.list().map(({ id }) => id);
    const known = (deviceId: string, leaf: "state" | "availability") => this.retained.get(topicOf({ ...this.name, deviceId }, leaf));
    const supervisor = readState(known(AGENT, "availability"));
    const whole = supervisor?.availability === Availability.AVAILABLE && ids.every((id) => known(id, "state") !== undefined);
    if (whole === this.whole || !this.atHub.isConnected) return;
    this.whole = whole;
    if (whole) this.saySnapshot(ids);
    this.say(topicOf(this.agent, "availability"), this.alive(whole));
  }

  private saySnapshot(deviceIds: string[]): void {
    const { clock, room, siteId, bootId, agentVersion } = this.options;
    const id = newId(clock);
    const told = { id, count: deviceIds.length, deviceIds, room: { ...room, siteId }, bootId, agentVersion };
    const say = (phase: SnapshotPhase) =>
      this.say(topicOf(this.agent, "snapshot"), toJsonString(RoomSnapshotSchema, create(RoomSnapshotSchema, { ...told, phase })));
    say(SnapshotPhase.BEGIN);
    for (const [topic, text] of this.retained) if (readTopic(topic)?.deviceId !== AGENT) this.say(topic, text);
    say(SnapshotPhase.END);
  }

  private async down(topic: string, text: string, retained: boolean): Promise<void> {
    const named = readTopic(topic);
    if (!named || !topic.startsWith(roomPrefix(this.name))) return;
    if (named.leaf === "taken")
      return this.options.outbox.taken(fromJsonString(EventsTakenSchema, text, { ignoreUnknownFields: true }).ids);
    // The will of a connection that was lost before may be carried out after this one began: what stands there is put right.
    if (named.leaf === "availability") {
      if (readState(text)?.availability !== readState(this.alive(this.whole))?.availability) this.say(topic, this.alive(this.whole));
      return;
    }
    if (named.leaf !== "command" || retained) return;
    try {
      await this.inRoom.publish(topic, text);
    } catch {
      this.say(topicOf(named, "result"), this.unsent(text), false);
    }
  }

  /** Nobody is left without an answer. */
  private unsent(text: string): string {
    const { code: _, ...told } = errors.away("the room's broker does not answer");
    const id = idOf(text);
    const result = {
      id,
      outcome: CommandOutcome.FAILED,
      atMs: BigInt(this.options.clock.nowMs()),
      reason: told.reason,
      zh: told.zh,
      en: told.en,
    };
    return toJsonString(CommandResultSchema, create(CommandResultSchema, result));
  }

  private alive(heard: boolean): string {
    const availability = heard ? Availability.AVAILABLE : Availability.UNKNOWN;
    return toJsonString(DeviceStateSchema, create(DeviceStateSchema, { availability, bootId: this.options.bootId }));
  }

  /** What is lost with the connection is said again at the next. */
  private say(topic: string, text: string, retain = true): void {
    if (this.atHub.isConnected) this.atHub.publish(topic, text, { retain }).catch(() => undefined);
  }
}

function readState(text: string | undefined): DeviceState | undefined {
  try {
    return text === undefined ? undefined : fromJsonString(DeviceStateSchema, text, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

function idOf(text: string): string {
  try {
    return fromJsonString(CommandSchema, text, { ignoreUnknownFields: true }).id.slice(0, 36);
  } catch {
    return "";
  }
}
