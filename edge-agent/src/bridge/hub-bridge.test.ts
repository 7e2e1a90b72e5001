import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { RoomSnapshotSchema, SnapshotPhase } from "@xiezhi/protos/gen/xiezhi/agents/v1/snapshots_pb.js";
import {
  CommandOutcome,
  CommandResultSchema,
  CommandSchema,
  DeviceEventSchema,
  EventsTakenSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { AGENT, topicOf } from "@xiezhi/protos/topics.ts";
import { type Broker, startBroker } from "@xiezhi/rpc/mqtt/broker.ts";
import { connectAsync, type MqttClient } from "mqtt";
import { BRIDGE } from "../broker/broker.part.ts";
import { HubBridge } from "./hub-bridge.ts";
import { cam, isAvailable, room, showsAvailable, startRoom } from "./room.sim.ts";

const agent = { ...room, deviceId: AGENT };
const everybody = {
  admit: ({ clientId }: { clientId: string }) => ({ name: clientId }),
  mayPublish: () => true,
  maySubscribe: () => true,
  refused: () => undefined,
};

/** The hub's end: its broker, that can be ended and started again at its port, and what the hub has heard there. */
async function startHub(t: TestContext) {
  let broker: Broker | undefined;
  let client: MqttClient | undefined;
  let port = 0;
  const seen: { topic: string; text: string }[] = [];
  const start = async () => {
    broker = await startBroker({ log: silentLog, door: everybody, host: "127.0.0.1", port });
    port = broker.port;
    client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: "hub", protocolVersion: 4, reconnectPeriod: 0 });
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => seen.push({ topic, text: payload.toString() }));
    await client.subscribeAsync("xiezhi/#", { qos: 1 });
  };
  const end = async () => {
    await client?.endAsync(true);
    await broker?.close();
  };
  await start();
  t.after(end);
  const until = async (topic: string, enough: (text: string) => boolean, from = 0) => {
    for (;;) {
      const at = seen.findIndex((it, index) => index >= from && it.topic === topic && enough(it.text));
      if (at >= 0) return { at, text: seen[at]!.text };
      await clock.sleep(10);
    }
  };
  return {
    start,
    end,
    seen,
    until,
    address: () => ({ host: "127.0.0.1", port }),
    say: (topic: string, text: string) => client!.publishAsync(topic, text, { qos: 1 }),
  };
}

async function startBridged(t: TestContext) {
  const hub = await startHub(t);
  const here = await startRoom(t);
  const described = { id: room.roomId, nameZh: "第一法庭", nameEn: "Courtroom 1", seats: [] };
  const { devices, outbox, broker } = here;
  const bridge = new HubBridge({
    clock,
    log: silentLog,
    siteId: room.siteId,
    room: described,
    bootId: "boot",
    agentVersion: "1",
    devices,
    outbox,
    roomBroker: () => broker.address(BRIDGE),
    hubBroker: hub.address,
  });
  bridge.start();
  t.after(() => bridge.close());
  return { hub, ...here };
}

const turn = (token: string) =>
  toJsonString(CommandSchema, create(CommandSchema, { id: newId(clock), what: { case: "recallPreset", value: { token } } }));
const isHeard = isAvailable;
const isLost = (text: string) => !isAvailable(text);
const isDone = (text: string) => fromJsonString(CommandResultSchema, text).outcome === CommandOutcome.DONE;
const phaseIs = (phase: SnapshotPhase) => (text: string) => fromJsonString(RoomSnapshotSchema, text).phase === phase;

test("the hub hears the whole room between begin and end, commands it, and holds each event before the room forgets it", {
  timeout: 40_000,
}, async (t) => {
  const { hub, outbox, sim } = await startBridged(t);
  const begin = await hub.until(topicOf(agent, "snapshot"), phaseIs(SnapshotPhase.BEGIN));
  const state = await hub.until(topicOf(cam, "state"), () => true, begin.at);
  const end = await hub.until(topicOf(agent, "snapshot"), phaseIs(SnapshotPhase.END), state.at);
  const heard = await hub.until(topicOf(agent, "availability"), isHeard, end.at);
  const { count, deviceIds, room: described } = fromJsonString(RoomSnapshotSchema, end.text);
  assert.deepEqual([count, deviceIds, described?.nameZh], [1, ["cam"], "第一法庭"]);
  await hub.until(topicOf(cam, "state"), showsAvailable, begin.at);

  await hub.say(topicOf(cam, "command"), turn("2"));
  await hub.until(topicOf(cam, "result"), isDone, heard.at);
  assert.deepEqual(sim.turnedTo, ["2"]);
  const said = await hub.until(topicOf(cam, "event"), () => true);
  const { id, what } = fromJsonString(DeviceEventSchema, said.text);
  assert.equal(what.case, "obeyed");
  await hub.say(topicOf(cam, "command"), turn("3"));
  await hub.until(topicOf(cam, "event"), (text) => fromJsonString(DeviceEventSchema, text).id === id, said.at + 1);
  assert.equal(outbox.waiting().length, 2, "said again with each that is new until it is taken");
  await hub.say(topicOf(agent, "taken"), toJsonString(EventsTakenSchema, create(EventsTakenSchema, { ids: [id] })));
  while (outbox.waiting().length > 1) await clock.sleep(5);
});

test("the room's broker is killed: the room is not heard until every state has been said again, and a command is answered", {
  timeout: 40_000,
}, async (t) => {
  const { hub, processes } = await startBridged(t);
  const heard = await hub.until(topicOf(agent, "availability"), isHeard);
  process.kill(processes.pid("broker")!, "SIGKILL");
  const lost = await hub.until(topicOf(agent, "availability"), isLost, heard.at);
  await hub.say(topicOf(cam, "command"), turn("2"));
  const answer = await hub.until(topicOf(cam, "result"), () => true, lost.at);
  assert.equal(fromJsonString(CommandResultSchema, answer.text).reason, "DEVICES_AWAY");
  const end = await hub.until(topicOf(agent, "snapshot"), phaseIs(SnapshotPhase.END), lost.at);
  await hub.until(topicOf(agent, "availability"), isHeard, end.at);
});

test("the hub's broker is away: nothing is queued but events, and all is said again at its return", { timeout: 40_000 }, async (t) => {
  const { hub, technician, outbox } = await startBridged(t);
  await hub.until(topicOf(agent, "availability"), isHeard);
  await hub.end();
  const { client, until } = await technician();
  await until(topicOf(cam, "state"), showsAvailable);
  await client.publishAsync(topicOf(cam, "command"), turn("3"), { qos: 1 });
  await until(topicOf(cam, "result"), isDone);
  assert.equal(outbox.waiting().length, 1);
  const before = hub.seen.length;
  await hub.start();
  const end = await hub.until(topicOf(agent, "snapshot"), phaseIs(SnapshotPhase.END), before);
  await hub.until(topicOf(agent, "availability"), isHeard, end.at);
  await hub.until(topicOf(cam, "event"), () => true, before);
  assert.ok(!hub.seen.slice(before).some(({ topic }) => topic === topicOf(cam, "result")), "an answer of then is nobody's now");
});

test("a will that is carried out late is put right", { timeout: 40_000 }, async (t) => {
  const { hub } = await startBridged(t);
  const heard = await hub.until(topicOf(agent, "availability"), isHeard);
  await hub.say(topicOf(agent, "availability"), '{"availability":"AVAILABILITY_UNKNOWN"}');
  const lost = await hub.until(topicOf(agent, "availability"), isLost, heard.at);
  await hub.until(topicOf(agent, "availability"), isHeard, lost.at);
});
