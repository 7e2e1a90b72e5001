import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { startOnvifCameraSim } from "@xiezhi/drivers/drivers/onvif-camera/onvif-camera.sim.ts";
import { loadTestClip } from "@xiezhi/drivers/sim/clips.ts";
import { CommandOutcome, CommandResultSchema, CommandSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, DeviceStateSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { topicOf } from "@xiezhi/protos/topics.ts";
import { connectAsync } from "mqtt";
import { RoomBroker } from "../broker/broker.part.ts";
import { Commands } from "../devices/commands.ts";
import { Devices } from "../devices/devices.part.ts";
import { RoomLink } from "./room-link.ts";

const login = { username: "xiezhi", password: "not-a-default-1" };
const room = { siteId: "court-1", roomId: "courtroom-1" };
const cam = { ...room, deviceId: "cam" };

async function startRoom(t: TestContext) {
  const stateFolder = await mkdtemp(join(tmpdir(), "xiezhi-room-link-"));
  const sim = await startOnvifCameraSim({ clock, name: "camera", main: await loadTestClip("picture"), login });
  const config = { url: `http://127.0.0.1:${sim.port}/onvif/device_service`, ...login, rtspPorts: [sim.rtspPort] };
  const device = { id: "cam", driver: "onvif-camera", name: "Camera", config, tracks: [] };
  const devices = new Devices({ clock, log: silentLog, roomId: room.roomId, bootId: "boot", devices: [device] });
  const processes = new Processes(clock, silentLog);
  const members = [{ name: "technician", kind: "technician" as const, password: new Secret("explorer-pw") }];
  const broker = new RoomBroker({ processes, stateFolder, ...room, mqtt: { port: 0, members } });
  const commands = new Commands({ clock, log: silentLog, file: join(stateFolder, "commands.json"), devices });
  const link = new RoomLink({ clock, log: silentLog, ...room, devices, commands, broker: () => broker.address() });
  t.after(async () => {
    await link.close();
    await processes.stopAll();
    await devices.close();
    await sim.close();
    await rm(stateFolder, { recursive: true });
  });
  await broker.start();
  devices.start();
  link.start();
  const port = async () => {
    for (;;) {
      const found = await broker.address();
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
  return { sim, processes, technician };
}

const isAvailable = (text: string) => fromJsonString(DeviceStateSchema, text).availability === Availability.AVAILABLE;

test("a technician sees every device's state as readable JSON and turns a camera; each command is answered once", {
  timeout: 30_000,
}, async (t) => {
  const { sim, technician } = await startRoom(t);
  const { client, seen, until } = await technician();
  const state = fromJsonString(DeviceStateSchema, await until(topicOf(cam, "state"), isAvailable));
  assert.equal(state.model, "Xiezhi Sim 1080");
  await until(topicOf(cam, "availability"), isAvailable);
  const id = newId(clock);
  const turn = toJsonString(CommandSchema, create(CommandSchema, { id, what: { case: "recallPreset", value: { token: "2" } } }));
  await client.publishAsync(topicOf(cam, "command"), turn, { qos: 1 });
  await client.publishAsync(topicOf(cam, "command"), turn, { qos: 1 });
  const result = await until(topicOf(cam, "result"), (text) => fromJsonString(CommandResultSchema, text).id === id);
  assert.equal(fromJsonString(CommandResultSchema, result).outcome, CommandOutcome.DONE);
  const refused = async (payload: string, reason: string) => {
    await client.publishAsync(topicOf(cam, "command"), payload, { qos: 1 });
    await until(topicOf(cam, "result"), (text) => fromJsonString(CommandResultSchema, text).reason === reason);
  };
  await refused("{", "DEVICES_COMMAND_NOT_UNDERSTOOD");
  await refused('{"id":"1","requestKeyFrame":{}}', "RPC_INVALID_FIELD");
  await refused(JSON.stringify({ id: newId(clock), recallPreset: { token: "99" } }), "DEVICES_NO_SUCH_PRESET");
  assert.deepEqual(sim.turnedTo, ["2"]);
  assert.ok(![...seen.values()].flat().some((text) => text.includes(login.password)));
});

test("a killed broker comes back at its address and hears every state anew", { timeout: 30_000 }, async (t) => {
  const { processes, technician } = await startRoom(t);
  const { client, seen, until } = await technician();
  await until(topicOf(cam, "state"), isAvailable);
  const back = new Promise<void>((resolve) => client.once("connect", () => resolve()));
  process.kill(processes.pid("broker")!, "SIGKILL");
  seen.clear();
  await back;
  await until(topicOf(cam, "state"), isAvailable);
});
