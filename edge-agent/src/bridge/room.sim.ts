import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { create, fromJsonString } from "@bufbuild/protobuf";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { DeviceEventSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, DeviceSchema, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { connectAsync } from "mqtt";
import { RoomBroker, SUPERVISOR } from "../broker/broker.part.ts";
import { openCameraRoom } from "../devices/camera-room.sim.ts";
import { Commands } from "../devices/commands.ts";
import { Outbox } from "../memory/outbox.ts";
import { RoomLink } from "./room-link.ts";

export const room = { siteId: "court-1", roomId: "courtroom-1" };
export const cam = { ...room, deviceId: "cam" };

/** A room with one simulated camera, its broker as a process, the supervisor and a technician's MQTT client. */
export async function startRoom(t: TestContext) {
  const stateFolder = await mkdtemp(join(tmpdir(), "xiezhi-room-link-"));
  const { sim, devices } = await openCameraRoom(t, clock, { timeoutMs: 3_000 });
  const processes = new Processes(clock, silentLog);
  const members = [{ name: "technician", kind: "technician" as const, password: new Secret("explorer-pw") }];
  const broker = new RoomBroker({ processes, stateFolder, ...room, mqtt: { port: 0, members } });
  const outbox = new Outbox(DeviceEventSchema, join(stateFolder, "events"), silentLog);
  await outbox.open();
  const commands = new Commands({
    clock,
    log: silentLog,
    file: join(stateFolder, "commands.json"),
    devices,
    answered: (deviceId, command, result) => {
      const what = { case: "obeyed" as const, value: { command, result } };
      const id = newId(clock);
      return outbox.add(id, create(DeviceEventSchema, { id, deviceId, what }));
    },
  });
  const link = new RoomLink({ clock, log: silentLog, ...room, devices, commands, broker: () => broker.address(SUPERVISOR) });
  t.after(async () => {
    await link.close();
    await processes.stopAll();
    await rm(stateFolder, { recursive: true });
  });
  await broker.start();
  devices.start();
  link.start();
  const port = async () => {
    for (;;) {
      const found = await broker.address(SUPERVISOR);
      if (found) return found.port;
      await clock.sleep(20);
    }
  };
  /** Somebody with MQTT Explorer: what they have seen last on each topic, and the way to wait for it. */
  const technician = async () => {
    const client = await connectAsync(`mqtt://127.0.0.1:${await port()}`, {
      clientId: `explorer-${newId(clock)}`,
      username: "technician",
      password: "explorer-pw",
      protocolVersion: 4,
      reconnectPeriod: 50,
    });
    t.after(() => client.endAsync(true));
    // It connects again by itself, as MQTT Explorer does.
    client.on("error", () => undefined);
    const seen = new Map<string, string[]>();
    client.on("message", (topic, payload) => seen.set(topic, [...(seen.get(topic) ?? []), payload.toString()]));
    await client.subscribeAsync("#");
    const until = async (topic: string, enough: (text: string) => boolean) => {
      for (;;) {
        const found = seen.get(topic)?.findLast(enough);
        if (found !== undefined) return found;
        await clock.sleep(20);
      }
    };
    return { client, seen, until };
  };
  return { sim, processes, technician, devices, outbox, broker };
}

export const isAvailable = (text: string) => fromJsonString(DeviceStateSchema, text).availability === Availability.AVAILABLE;
export const showsAvailable = (text: string) => fromJsonString(DeviceSchema, text).state?.availability === Availability.AVAILABLE;
