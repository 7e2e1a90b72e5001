import type { TestContext } from "node:test";
import { create, type DescMessage, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { silentLog } from "@xiezhi/base/log.ts";
import { RoomSnapshotSchema, SnapshotPhase } from "@xiezhi/protos/gen/xiezhi/agents/v1/snapshots_pb.js";
import { Availability, DeviceSchema, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { AGENT, type Leaf, readTopic, roomPrefix, topicOf } from "@xiezhi/protos/topics.ts";
import { type Broker, startBroker } from "@xiezhi/rpc/mqtt/broker.ts";
import { connectAsync } from "mqtt";
import type { Court } from "./court.ts";

export interface FakeBridge {
  say<S extends DescMessage>(deviceId: string, leaf: Leaf, schema: S, message: MessageInitShape<S>, retain?: boolean): Promise<void>;
  /** The room is heard and these stand in it. */
  snapshot(
    devices: readonly MessageInitShape<typeof DeviceSchema>[],
    room?: MessageInitShape<typeof RoomSnapshotSchema>["room"],
  ): Promise<void>;
  /** What the hub said to the room: `device/leaf text`. */
  heard: string[];
  onCommand?: (deviceId: string, text: string) => void;
  /** The connection is cut: its will is carried out. */
  cut(): void;
}

export interface CourtBroker {
  bridge(room: { siteId: string; roomId: string }): Promise<FakeBridge>;
  close(): Promise<void>;
}

const everybody = {
  admit: ({ clientId }: { clientId: string }) => ({ name: clientId }),
  mayPublish: () => true,
  maySubscribe: () => true,
  refused: () => undefined,
};

/** The court's broker with its door open (the real one has a test of its own), and rooms' bridges at it, over real MQTT. */
export async function brokerOf(t: TestContext, court: Court): Promise<CourtBroker> {
  const broker: Broker = await startBroker({ log: silentLog, door: everybody, host: "127.0.0.1", port: 0 });
  court.house.platform.broker.start(() => ({ host: "127.0.0.1", port: broker.port }));
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= broker.close());
  t.after(close);
  return {
    close,
    async bridge(room) {
      const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
        clientId: `${room.siteId}/${room.roomId}`,
        protocolVersion: 4,
        reconnectPeriod: 0,
        will: {
          topic: topicOf({ ...room, deviceId: AGENT }, "availability"),
          payload: Buffer.from(toJsonString(DeviceStateSchema, create(DeviceStateSchema, { availability: Availability.UNKNOWN }))),
          qos: 1,
          retain: true,
        },
      });
      client.on("error", () => undefined);
      t.after(() => client.endAsync(true));
      const bridge: FakeBridge = {
        heard: [],
        async say(deviceId, leaf, schema, message, retain = true) {
          await client.publishAsync(topicOf({ ...room, deviceId }, leaf), toJsonString(schema, create(schema, message)), {
            qos: 1,
            retain,
          });
        },
        async snapshot(devices, described) {
          const told = {
            id: "s",
            count: devices.length,
            deviceIds: devices.map(({ id }) => id ?? ""),
            ...(described && { room: described }),
          };
          await bridge.say(AGENT, "snapshot", RoomSnapshotSchema, { ...told, phase: SnapshotPhase.BEGIN });
          for (const device of devices) await bridge.say(device.id ?? "", "state", DeviceSchema, device);
          await bridge.say(AGENT, "snapshot", RoomSnapshotSchema, { ...told, phase: SnapshotPhase.END });
          await bridge.say(AGENT, "availability", DeviceStateSchema, { availability: Availability.AVAILABLE });
        },
        cut: () => client.stream.destroy(),
      };
      client.on("message", (topic, payload) => {
        const { deviceId = "", leaf = "state" } = readTopic(topic) ?? {};
        bridge.heard.push(`${deviceId}/${leaf} ${payload.toString()}`);
        if (leaf === "command") bridge.onCommand?.(deviceId, payload.toString());
      });
      await client.subscribeAsync([`${roomPrefix(room)}+/command`, `${roomPrefix(room)}+/taken`], { qos: 1 });
      return bridge;
    },
  };
}
