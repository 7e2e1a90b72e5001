import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AgentService, type ReportResponseSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import { Availability, DevicesService, type RoomLink } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { implement } from "@xiezhi/rpc/service.ts";
import { refused, startCourt } from "../../testing/court.ts";
import { startRoom, until } from "../../testing/room.ts";
import { devices } from "./devices.module.ts";

const roomId = "courtroom-1";
type Report = MessageInitShape<typeof ReportResponseSchema>;

function reporting() {
  const reports: Report[] = [];
  let wake = () => {};
  const agent = implement(AgentService, {
    remember: async ({ version }) => ({ version }),
    async *report(_, { signal }) {
      signal.addEventListener("abort", () => wake());
      while (!signal.aborted) {
        const report = reports.shift();
        if (report) yield report;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  });
  return { services: [agent], say: (report: Report) => (reports.push(report), wake()) };
}

function camera(seq: number, availability: Availability, more: object = {}) {
  return {
    id: "cam-judge",
    roomId: "forged",
    driver: "onvif-camera",
    name: "审判席",
    state: { availability, bootId: "b", seq: BigInt(seq), provenAtMs: 5n, sinceMs: BigInt(seq), ...more },
  };
}

test("last proven state is kept, older ones are dropped, and all is unknown since the link went", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const { services, say } = reporting();
  const operator = await court.as("operator", DevicesService);
  const room = await startRoom(t, court, { site: "court-1", room: roomId, services });
  const state = async () => (await operator.listDevices({ roomId })).devices[0]?.state;
  say({ room: { id: roomId, nameZh: "第一法庭" }, devices: [camera(2, Availability.AVAILABLE)], bootId: "b" });
  await until(async () => (await state())?.availability === Availability.AVAILABLE);
  say({ devices: [camera(1, Availability.UNAVAILABLE)], bootId: "b" });
  say({ devices: [camera(3, Availability.UNAVAILABLE, { reason: "connection refused" })], bootId: "b" });
  await until(async () => (await state())?.reason === "connection refused");
  const watch = operator.watchDevices({ roomId: "" })[Symbol.asyncIterator]();
  const first = (await watch.next()).value;
  assert.equal(first?.links.find((link: RoomLink) => link.roomId === roomId)?.connected, true);
  await court.clock.advanceMs(5_000);
  room.cut();
  await until(async () => (await state())?.availability === Availability.UNKNOWN);
  const unknown = await state();
  assert.deepEqual([unknown?.sinceMs, unknown?.provenAtMs, unknown?.reason], [BigInt(court.clock.nowMs()), 5n, ""]);
  const next = (await watch.next()).value;
  assert.equal(next?.links.find((link: RoomLink) => link.roomId === roomId)?.connected, false);
  const { rooms } = await (await court.as("clerk", SitesService)).listRooms({});
  assert.equal(rooms.find(({ id }) => id === roomId)?.nameZh, "第一法庭");
});

test("a device that is not reported any more is gone; another court's devices are not found", async (t) => {
  const court = await startCourt(t, { modules: [devices] });
  const { services, say } = reporting();
  const clerk = await court.as("clerk", DevicesService);
  await startRoom(t, court, { site: "court-1", room: roomId, services });
  const ids = async () => (await clerk.listDevices({ roomId })).devices.map(({ id }) => id);
  say({ devices: [camera(1, Availability.AVAILABLE), { ...camera(1, Availability.AVAILABLE), id: "mic-judge" }] });
  await until(async () => (await ids()).length === 2);
  assert.equal((await clerk.listDevices({ pageSize: 1 })).nextPageToken !== "", true);
  say({ devices: [{ ...camera(1, Availability.AVAILABLE), id: "mic-judge" }] });
  await until(async () => (await ids()).join() === "mic-judge");
  await refused((await court.as("clerk-2", DevicesService)).listDevices({ roomId }), "SITES_ROOM_NOT_FOUND");
  assert.deepEqual((await (await court.as("clerk-2", DevicesService)).listDevices({})).devices, []);
  await refused((await court.as("archivist", DevicesService)).listDevices({}), "RIGHTS_ROLE_NEEDED");
});
