import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessService, type Act, ActSchema, type AdmitRequest } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { create } from "@bufbuild/protobuf";
import { implement } from "@xiezhi/rpc/service.ts";
import { type Court, PASSWORD, requestId, startCourt } from "../../testing/court.ts";
import { startRoom, until } from "../../testing/room.ts";
import { audits } from "../audits/audits.module.ts";
import { cases } from "../cases/cases.module.ts";
import { hearings } from "../hearings/hearings.module.ts";
import { rooms } from "./rooms.module.ts";

const modules = [cases, hearings, rooms, audits];
const here = { site: "court-1", room: "courtroom-1" };

/** A room's own address as the hub knows it: whom it was told to admit, and acts that wait until they are taken. */
function ownAddress() {
  const admitted: AdmitRequest[] = [];
  let waiting: Act[] = [];
  let wake = () => {};
  const service = implement(AccessService, {
    admit: async (request) => {
      admitted.push(request);
      return { version: request.version };
    },
    async *watchActs(_, { signal }) {
      signal.addEventListener("abort", () => wake());
      while (!signal.aborted) {
        if (waiting.length > 0) yield { acts: waiting };
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    takeActs: async ({ ids }) => {
      waiting = waiting.filter(({ id }) => !ids.includes(id));
      return {};
    },
  });
  return {
    service,
    admitted,
    logins: () => admitted.at(-1)?.people.map(({ user }) => user?.login),
    waiting: () => waiting.length,
    act(...acts: Act[]) {
      waiting.push(...acts);
      wake();
    },
  };
}

async function startWithPins(t: Parameters<typeof startCourt>[0]) {
  const court = await startCourt(t, { modules });
  for (const login of ["clerk", "archivist", "clerk-2"])
    await (await court.as(login, UsersService)).setPin({ requestId: requestId(), password: PASSWORD, pin: "402913" });
  const address = ownAddress();
  const room = await startRoom(t, court, { ...here, services: [address.service] });
  return { court, address, room };
}

async function userIdOf(court: Court, login: string): Promise<string> {
  return (await (await court.as(login, UsersService)).whoAmI({})).user?.id ?? "";
}

test("a room is told who of its site may use a Desk, by PIN, at once and whenever it changes", async (t) => {
  const { court, address, room } = await startWithPins(t);
  await until(() => address.admitted.length === 1);
  const [told] = address.admitted;
  assert.deepEqual(address.logins(), ["clerk"], "an archivist has no Desk, another court's clerk no room here");
  assert.match(told?.people[0]?.pinVerifier ?? "", /^\$argon2id\$/);
  assert.equal(told?.site?.name, "福田区人民法院");
  assert.equal(Number(told?.atMs), court.clock.nowMs());
  const judge = await court.as("judge", UsersService);
  await judge.setPin({ requestId: requestId(), password: PASSWORD, pin: "550172" });
  await until(() => address.logins()?.length === 2);
  await court.clock.advanceMs(10 * 60_000);
  await until(() => Number(address.admitted.at(-1)?.atMs) === court.clock.nowMs());
  room.cut();
  await until(() => !court.house.platform.agents.state({ siteId: here.site, roomId: here.room }).connected);
  const userId = await userIdOf(court, "clerk");
  await (await court.as("security", UsersService)).disableUser({ requestId: requestId(), userId });
  const before = address.admitted.length;
  await room.dial();
  await until(() => address.admitted.length > before);
  assert.deepEqual(address.logins(), ["judge"], "the first that a room hears is who was disabled while it was away");
  assert.ok(address.admitted.every(({ version }, at) => at === 0 || version > address.admitted[at - 1]!.version));
});

test("what was done at a room's own address is one audit row each, flagged where the right had been taken away before", async (t) => {
  const { court, address, room } = await startWithPins(t);
  const userId = await userIdOf(court, "clerk");
  const act = (id: string, atMs: number) =>
    create(ActSchema, {
      id: `00000000-0000-7000-8000-00000000000${id}`,
      atMs: BigInt(atMs),
      userId,
      login: "clerk",
      act: "rooms.Start",
      objectId: here.room,
      outcome: "ok",
      from: "127.0.0.1",
    });
  const firstMs = court.clock.nowMs();
  address.act(act("1", firstMs));
  await until(() => address.waiting() === 0);
  room.cut();
  await court.clock.advanceMs(60_000);
  await (await court.as("security", UsersService)).disableUser({ requestId: requestId(), userId });
  await court.clock.advanceMs(60_000);
  address.act(act("1", firstMs), act("2", firstMs + 1), act("3", court.clock.nowMs()));
  await room.dial();
  await until(() => address.waiting() === 0);
  const auditor = await court.as("audit", AuditsService);
  const { rows } = await auditor.listAudits({ act: "rooms.Start" });
  assert.deepEqual(
    rows.map(({ atMs, afterRevocation }) => [Number(atMs), afterRevocation]),
    [
      [court.clock.nowMs(), true],
      [firstMs + 1, false],
      [firstMs, false],
    ],
  );
  assert.deepEqual(
    new Set(rows.map(({ roomId, siteId, userId: who }) => [roomId, siteId, who].join())),
    new Set([`courtroom-1,court-1,${userId}`]),
  );
});
