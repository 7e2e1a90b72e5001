import { create, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { CommandResultSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, DeviceSchema, type DeviceState, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { AGENT, type DeviceName, readTopic, roomFilter, topicOf } from "@xiezhi/protos/topics.ts";
import { type MqttAddress, MqttLink } from "@xiezhi/rpc/mqtt/link.ts";
import { SUPERVISOR } from "../broker/broker.part.ts";
import type { Commands } from "../devices/commands.ts";
import type { Devices } from "../devices/devices.part.ts";

export interface RoomLinkOptions {
  clock: Clock;
  log: Log;
  siteId: string;
  roomId: string;
  devices: Pick<Devices, "list" | "onChange">;
  commands: Pick<Commands, "submitJson">;
  /** Where the room's broker is now; undefined while it isn't known. */
  broker: () => Promise<MqttAddress | undefined>;
}

/** The supervisor at the room's broker: says every device's state, retained, and takes its commands. */
export class RoomLink {
  private readonly options: RoomLinkOptions;
  private readonly link: MqttLink;
  private readonly said = new Map<string, bigint>();

  constructor(options: RoomLinkOptions) {
    this.options = options;
    const { clock, log, siteId, roomId, broker } = options;
    const alive = (availability: Availability) => toJsonString(DeviceStateSchema, create(DeviceStateSchema, { availability }));
    const topic = topicOf({ siteId, roomId, deviceId: AGENT }, "availability");
    this.link = new MqttLink({
      clock,
      log,
      clientId: SUPERVISOR,
      address: broker,
      filters: [roomFilter({ siteId, roomId }, "command")],
      will: { topic, payload: alive(Availability.UNKNOWN) },
      connected: () => {
        this.said.clear();
        this.say(topic, alive(Availability.AVAILABLE));
        this.sayStates();
      },
      heard: (topic, text, retained) => this.command(topic, text, retained),
    });
  }

  start(): void {
    this.options.devices.onChange(() => this.sayStates());
    this.link.start();
  }

  close(): Promise<void> {
    return this.link.close();
  }

  private sayStates(): void {
    const { siteId, roomId, devices } = this.options;
    if (!this.link.isConnected) return;
    for (const device of devices.list()) {
      const { id, state } = device;
      if (!state || this.said.get(id) === state.seq) continue;
      this.said.set(id, state.seq);
      const name = { siteId, roomId, deviceId: id };
      this.say(topicOf(name, "state"), toJsonString(DeviceSchema, device));
      this.say(topicOf(name, "availability"), toJsonString(DeviceStateSchema, availabilityOf(state)));
    }
  }

  /** What is lost with the connection is said again at the next. */
  private say(topic: string, text: string): void {
    this.link.publish(topic, text, { retain: true }).catch(() => undefined);
  }

  private command(topic: string, text: string, retained: boolean): void {
    const named = readTopic(topic);
    // A retained command would be done again at each connection: nobody may leave one, and one that is there is nobody's.
    if (!named || retained) return;
    void this.obey(named, text);
  }

  private async obey(named: DeviceName, text: string): Promise<void> {
    const result = await this.options.commands.submitJson(named.deviceId, text);
    const answer = toJsonString(CommandResultSchema, result);
    await this.link
      .publish(topicOf(named, "result"), answer)
      .catch(() => this.options.log.warn({ id: result.id }, "nobody heard a result"));
  }
}

function availabilityOf({ availability, reason, sinceMs, provenAtMs }: DeviceState): DeviceState {
  return create(DeviceStateSchema, { availability, reason, sinceMs, provenAtMs });
}
