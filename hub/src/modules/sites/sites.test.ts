import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RoomSchema, SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { refused, startCourt } from "../../testing/court.ts";
import type { SitesService as Service } from "./sites.service.ts";

test("one sees the sites at which one holds a role, and their rooms", async (t) => {
  const court = await startCourt(t);
  const seen = async (login: string) => {
    const client = await court.as(login, SitesService);
    const { sites } = await client.listSites({});
    const { rooms } = await client.listRooms({});
    return [sites.map(({ id, courtCode }) => `${id} ${courtCode}`), rooms.map(({ id }) => id)];
  };
  assert.deepEqual(await seen("clerk"), [["court-1 粤0304"], ["courtroom-1", "courtroom-2"]]);
  assert.deepEqual(await seen("clerk-2"), [["court-2 粤0305"], ["courtroom-9"]]);
  assert.deepEqual(await seen("officer"), [["detention-1 "], ["interrogation-1"]]);
  await refused((await court.as(undefined, SitesService)).listSites({}), "RPC_SIGN_IN_FIRST");
});

test("lists of rooms page", async (t) => {
  const court = await startCourt(t);
  const client = await court.as("clerk", SitesService);
  const first = await client.listRooms({ pageSize: 1 });
  const second = await client.listRooms({ pageSize: 1, pageToken: first.nextPageToken });
  assert.deepEqual(
    [first, second].map(({ rooms }) => rooms[0]?.id),
    ["courtroom-1", "courtroom-2"],
  );
  assert.equal(second.nextPageToken, "");
});

test("what a room says of itself is kept, but no room moves to another site by saying so", async (t) => {
  const court = await startCourt(t);
  const service = court.house.api<Service>("sites");
  const said = create(RoomSchema, { id: "courtroom-1", siteId: "forged", nameZh: "第一法庭", seats: [{ id: "judge", nameZh: "审判席" }] });
  await service.rememberRoom(said, "court-1");
  const { rooms } = await (await court.as("clerk", SitesService)).listRooms({});
  assert.deepEqual([rooms[0]?.siteId, rooms[0]?.nameZh, rooms[0]?.seats.length], ["court-1", "第一法庭", 1]);
  await refused(service.rememberRoom(said, "court-2"), "SITES_ROOM_ELSEWHERE");
});
