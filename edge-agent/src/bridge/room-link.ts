import { create, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { CommandResultSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, type DeviceState, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { readTopic, roomFilter, topicOf } from "@xiezhi/protos/topics.ts";
import { connect, type IPublishPacket, type MqttClient } from "mqtt";
import { SUPERVISOR } from "../broker/broker.part.ts";
import type { Commands } from "../devices/commands.ts";
import type { Devices } from "../devices/devices.part.ts";

const AGAIN_MS = 500;
/** The agent itself, among the room's devices: what it says stands as long as it lives. */
const AGENT = "agent";

export interface RoomLinkOptions {
  clock: Clock;
  log: Log;
  siteId: string;
  roomId: string;
  devices: Pick<Devices, "list" | "onChange">;
  commands: Pick<Commands, "submitJson">;
  /** Where the room's broker is now; undefined while it isn't known. */
  broker: () => Promise<{ port: number; password: string } | undefined>;
}

/** The supervisor at the room's broker: says every device's state, retained, and takes its commands. */
export class RoomLink {
  private readonly options: RoomLinkOptions;
  private readonly stopped = new AbortController();
  private readonly said = new Map<string, bigint>();
  private client: MqttClient | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(options: RoomLinkOptions) {
    this.options = options;
  }

  start(): void {
    this.options.devices.onChange(() => this.sayStates());
    this.running = this.run();
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.client?.endAsync(true).catch(() => undefined);
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, log } = this.options;
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        await this.attempt();
      } catch (error) {
        log.warn({ why: (error as Error).message }, "the room's broker can't be reached");
      }
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }

  /** One connection, from its beginning to its end. The broker has no memory: each begins with every state. */
  private async attempt(): Promise<void> {
    const { siteId, roomId, broker } = this.options;
    const found = await broker();
    if (!found || this.stopped.signal.aborted) return;
    const alive = (availability: Availability) => toJsonString(DeviceStateSchema, create(DeviceStateSchema, { availability }));
    const topic = topicOf({ siteId, roomId, deviceId: AGENT }, "availability");
    const client = connect({
      host: "127.0.0.1",
      port: found.port,
      protocol: "mqtt",
      protocolVersion: 4,
      clientId: SUPERVISOR,
      username: SUPERVISOR,
      password: found.password,
      reconnectPeriod: 0,
      keepalive: 2,
      will: { topic, payload: Buffer.from(alive(Availability.UNKNOWN)), qos: 1, retain: true },
    });
    this.client = client;
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.on("error", (error) => this.options.log.warn({ why: error.message }, "the room's broker refuses"));
    client.on("message", (topic, payload, packet) => void this.command(topic, payload, packet));
    client.once("connect", () => {
      this.said.clear();
      client.subscribe(roomFilter({ siteId, roomId }, "command"), { qos: 1 });
      client.publish(topic, alive(Availability.AVAILABLE), { qos: 1, retain: true });
      this.sayStates();
    });
    await closed;
    this.client = undefined;
  }

  private sayStates(): void {
    const { siteId, roomId, devices } = this.options;
    if (!this.client?.connected) return;
    for (const { id, state } of devices.list()) {
      if (!state || this.said.get(id) === state.seq) continue;
      this.said.set(id, state.seq);
      const name = { siteId, roomId, deviceId: id };
      this.client.publish(topicOf(name, "state"), toJsonString(DeviceStateSchema, state), { qos: 1, retain: true });
      this.client.publish(topicOf(name, "availability"), toJsonString(DeviceStateSchema, availabilityOf(state)), { qos: 1, retain: true });
    }
  }

  private async command(topic: string, payload: Buffer, { retain }: IPublishPacket): Promise<void> {
    const named = readTopic(topic);
    // A retained command would be done again at each connection: nobody may leave one, and one that is there is nobody's.
    if (!named || retain) return;
    const result = await this.options.commands.submitJson(named.deviceId, payload.toString("utf8"));
    this.client?.publish(topicOf(named, "result"), toJsonString(CommandResultSchema, result), { qos: 1 });
  }
}

function availabilityOf({ availability, reason, sinceMs, provenAtMs }: DeviceState): DeviceState {
  return create(DeviceStateSchema, { availability, reason, sinceMs, provenAtMs });
}
