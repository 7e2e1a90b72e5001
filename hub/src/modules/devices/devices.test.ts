import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJsonString } from "@bufbuild/protobuf";
import { CommandOutcome, CommandResultSchema, CommandSchema, DeviceEventSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { Availability, DeviceSchema, DevicesService, type RoomLink } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { brokerOf } from "../../testing/broker.ts";
import { refused, requestId, startCourt } from "../../testing/court.ts";
import { until } from "../../testing/room.ts";
import { audits } from "../audits/audits.module.ts";
import { devices } from "./devices.module.ts";

const room = { siteId: "court-1", roomId: "courtroom-1" };
const { roomId } = room;

function camera(seq: number, availability: Availability, more: object = {}) {
  return {
    id: "cam-judge",
    roomId: "forged",
    driver: "onvif-camera",
    name: "审判席",
    state: { availability, bootId: "b", seq: BigInt(seq), provenAtMs: 5n, sinceMs: BigInt(seq), ...more },
  };
}

test("last proven state is kept, older ones are dropped, and all is unknown since the room was heard last", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const bridge = await (await brokerOf(t, court)).bridge(room);
  const operator = await court.as("operator", DevicesService);
  const state = async () => (await operator.listDevices({ roomId })).devices[0]?.state;
  const say = (device: ReturnType<typeof camera>) => bridge.say("cam-judge", "state", DeviceSchema, device);
  await bridge.snapshot([camera(2, Availability.AVAILABLE)], { id: roomId, nameZh: "第一法庭" });
  await until(async () => (await state())?.availability === Availability.AVAILABLE);
  await say(camera(1, Availability.UNAVAILABLE));
  await say(camera(3, Availability.UNAVAILABLE, { reason: "connection refused" }));
  await until(async () => (await state())?.reason === "connection refused");
  const watch = operator.watchDevices({ roomId: "" })[Symbol.asyncIterator]();
  const linkOf = (links: RoomLink[] | undefined) => links?.find((link) => link.roomId === roomId)?.connected;
  assert.equal(linkOf((await watch.next()).value?.links), true);
  await court.clock.advanceMs(5_000);
  bridge.cut();
  await until(async () => (await state())?.availability === Availability.UNKNOWN);
  const unknown = await state();
  assert.deepEqual([unknown?.sinceMs, unknown?.provenAtMs, unknown?.reason], [BigInt(court.clock.nowMs()), 5n, ""]);
  assert.equal(linkOf((await watch.next()).value?.links), false);
  const { rooms } = await (await court.as("clerk", SitesService)).listRooms({});
  assert.equal(rooms.find(({ id }) => id === roomId)?.nameZh, "第一法庭");
});

test("a device that is not in the snapshot any more is gone; another court's devices are not found", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const broker = await brokerOf(t, court);
  const bridge = await broker.bridge(room);
  const clerk = await court.as("clerk", DevicesService);
  const ids = async () => (await clerk.listDevices({ roomId })).devices.map(({ id }) => id);
  const microphone = { ...camera(1, Availability.AVAILABLE), id: "mic-judge" };
  await bridge.snapshot([camera(1, Availability.AVAILABLE), microphone]);
  await until(async () => (await ids()).length === 2);
  assert.equal((await clerk.listDevices({ pageSize: 1 })).nextPageToken !== "", true);
  await bridge.snapshot([microphone]);
  await until(async () => (await ids()).join() === "mic-judge");
  await refused((await court.as("clerk-2", DevicesService)).listDevices({ roomId }), "SITES_ROOM_NOT_FOUND");
  assert.deepEqual((await (await court.as("clerk-2", DevicesService)).listDevices({})).devices, []);
  await refused((await court.as("archivist", DevicesService)).listDevices({}), "RIGHTS_ROLE_NEEDED");
});

test("the broker is lost: every room is unknown; what is no state costs nothing but itself", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const broker = await brokerOf(t, court);
  const bridge = await broker.bridge(room);
  const operator = await court.as("operator", DevicesService);
  const availability = async () => (await operator.listDevices({ roomId })).devices[0]?.state?.availability;
  await bridge.say("cam-judge", "state", CommandResultSchema, { en: "not a device" });
  // A room of another site's name is not taken for ours.
  await (await broker.bridge({ siteId: "court-2", roomId })).snapshot([{ ...camera(9, Availability.AVAILABLE), id: "foreign" }]);
  await bridge.snapshot([camera(1, Availability.AVAILABLE)]);
  await until(async () => (await availability()) === Availability.AVAILABLE);
  assert.equal((await operator.listDevices({ roomId })).devices.length, 1);
  await broker.close();
  await until(async () => (await availability()) === Availability.UNKNOWN);
});

test("hundreds of states at once are all known", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const bridge = await (await brokerOf(t, court)).bridge(room);
  const operator = await court.as("operator", DevicesService);
  const many = Array.from({ length: 500 }, (_, at) => ({ ...camera(1, Availability.AVAILABLE), id: `cam-${at}` }));
  await bridge.snapshot([]);
  await Promise.all(many.map((device) => bridge.say(device.id, "state", DeviceSchema, device)));
  for await (const { devices: seen } of operator.watchDevices({ roomId })) if (seen.length === many.length) return;
});

test("a command goes to the room with who sent it, and its answer comes back; what can't be sent is refused and audited", async (t) => {
  const court = await startCourt(t, { modules: [devices, audits] });
  const bridge = await (await brokerOf(t, court)).bridge(room);
  const technician = await court.as("technician", DevicesService);
  const turn = { what: { case: "recallPreset" as const, value: { token: "2" } } };
  const ask = (more: object = {}) =>
    technician.commandDevice({ requestId: requestId(), roomId, deviceId: "cam-judge", command: turn, ...more });
  await refused(ask(), "DEVICES_ROOM_AWAY");
  await bridge.snapshot([camera(1, Availability.AVAILABLE)]);
  await until(async () => (await technician.listDevices({ roomId })).devices[0]?.state?.availability === Availability.AVAILABLE);
  bridge.onCommand = (deviceId, text) => {
    const { id, sentBy, what } = fromJsonString(CommandSchema, text);
    assert.deepEqual([deviceId, sentBy, what.case], ["cam-judge", "technician", "recallPreset"]);
    void bridge.say(deviceId, "result", CommandResultSchema, { id, outcome: CommandOutcome.DONE }, false);
  };
  assert.equal((await ask()).result?.outcome, CommandOutcome.DONE);
  await refused(ask({ command: {} }), "RPC_INVALID_FIELD");
  await refused(ask({ deviceId: "../cam/#" }), "RPC_INVALID_FIELD");
  await refused(
    (await court.as("operator", DevicesService)).commandDevice({ requestId: requestId(), roomId, deviceId: "c", command: turn }),
    "RIGHTS_ROLE_NEEDED",
  );
  bridge.onCommand = () => void court.clock.advanceMs(16_000);
  await refused(ask(), "DEVICES_COMMAND_UNCONFIRMED");
  const { rows } = await (await court.as("audit", AuditsService)).listAudits({ act: "devices.CommandDevice" });
  assert.deepEqual(
    rows.map(({ outcome }) => outcome),
    ["DEVICES_COMMAND_UNCONFIRMED", "ok", "RIGHTS_ROLE_NEEDED", "RPC_INVALID_FIELD", "RPC_INVALID_FIELD", "ok", "DEVICES_ROOM_AWAY"],
  );
});

test("an event of a room is one audit row however often it is said, and the room is told that it is held", async (t) => {
  const court = await startCourt(t, { modules: [devices, audits] });
  const bridge = await (await brokerOf(t, court)).bridge(room);
  const id = requestId();
  const event = {
    id,
    what: {
      case: "obeyed" as const,
      value: { command: { id: requestId(), sentBy: "explorer" }, result: { outcome: CommandOutcome.FAILED, reason: "DEVICES_AWAY" } },
    },
  };
  for (let times = 0; times < 3; times++) await bridge.say("cam-judge", "event", DeviceEventSchema, event, false);
  await until(() => bridge.heard.filter((it) => it.startsWith("agent/taken") && it.includes(id)).length === 3);
  const { rows } = await (await court.as("audit", AuditsService)).listAudits({ act: "devices.Obeyed" });
  assert.deepEqual(
    rows.map(({ outcome, objectId, from }) => [outcome, objectId, from]),
    [["DEVICES_AWAY", "courtroom-1/cam-judge", "court-1/courtroom-1 explorer"]],
  );
});
