import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { CommandOutcome, CommandResultSchema, CommandSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { DeviceSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { topicOf } from "@xiezhi/protos/topics.ts";
import { login } from "../devices/camera-room.sim.ts";
import { cam, isAvailable, showsAvailable, startRoom } from "./room.sim.ts";

test("a technician sees every device's state as readable JSON and turns a camera; each command is answered once", {
  timeout: 30_000,
}, async (t) => {
  const { sim, technician } = await startRoom(t);
  const { client, seen, until } = await technician();
  const { name, state } = fromJsonString(DeviceSchema, await until(topicOf(cam, "state"), showsAvailable));
  assert.deepEqual([name, state?.model], ["Camera", "Xiezhi Sim 1080"]);
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
  await until(topicOf(cam, "state"), showsAvailable);
  const back = new Promise<void>((resolve) => client.once("connect", () => resolve()));
  process.kill(processes.pid("broker")!, "SIGKILL");
  seen.clear();
  await back;
  await until(topicOf(cam, "state"), showsAvailable);
});
