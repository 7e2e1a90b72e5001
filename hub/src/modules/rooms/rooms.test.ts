import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentService, type RememberRequest } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { HearingKind, HearingsService, Publicity } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { RoomPhase, RoomService, type StartRequest } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { type Handlers, type Implementation, implement, type RpcContext } from "@xiezhi/rpc/service.ts";
import { type Court, refused, requestId, startCourt } from "../../testing/court.ts";
import { startRoom, until } from "../../testing/room.ts";
import { audits } from "../audits/audits.module.ts";
import { cases } from "../cases/cases.module.ts";
import { hearings } from "../hearings/hearings.module.ts";
import { rooms } from "./rooms.module.ts";

const modules = [cases, hearings, rooms, audits];
const roomId = "courtroom-1";
const refusals = defineErrors("ROOMS", {
  running: () => ({ code: "FAILED_PRECONDITION", reason: "RUNNING", zh: "已在录制", en: "runs", details: { startedBy: "别人" } }),
});

function forever(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** A room's services: what it was asked, and answers that a test can replace. */
function services(replaced: Partial<Handlers<typeof RoomService>> = {}) {
  const started: StartRequest[] = [];
  const told: RememberRequest[] = [];
  const unary = async () => ({ takeId: "take", takeUs: 7n, lengthUs: 7n });
  const room = implement(RoomService, {
    async *watchDesk(_, { signal }) {
      yield { what: { case: "desk", value: { roomId, phase: RoomPhase.WARM } } };
      await forever(signal);
    },
    async *start(request) {
      started.push(request);
      yield { what: { case: "step", value: { device: "cam-judge", step: "connect", ok: true, ms: 3 } } };
      yield { what: { case: "started", value: { takeId: "take", hearingId: "h", startedAtMs: 5n } } };
    },
    pause: unary,
    resume: unary,
    mark: async () => ({ mark: { id: "m" } }),
    end: unary,
    async *watchLive() {
      yield { what: { case: "header", value: { number: 1, codec: "avc1.640028" } } };
      yield { what: { case: "chunk", value: { number: 1, key: true, data: new Uint8Array([1]) } } };
    },
    ...replaced,
  });
  const agent = implement(AgentService, {
    remember: async (request) => {
      told.push(request);
      return { version: request.version };
    },
  });
  return { started, told, all: [room, agent] as Implementation[] };
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

async function outcomes(court: Court, act: string): Promise<string[]> {
  const { rows } = await (await court.as("audit", AuditsService)).listAudits({ act });
  return rows.map(({ outcome }) => outcome);
}

test("a start goes to the room with who pressed, its steps come back, and one audit row stands", async (t) => {
  const court = await startCourt(t, { modules });
  const { started, all } = services();
  await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  const clerk = await court.as("clerk", RoomService);
  const id = requestId();
  const answers = await collect(clerk.start({ requestId: id, roomId, title: "x", actor: { userId: "forged", name: "forged" } }));
  assert.deepEqual(
    answers.map(({ what }) => what.case),
    ["step", "started"],
  );
  assert.deepEqual([started[0]?.requestId, started[0]?.actor?.login, started[0]?.actor?.name], [id, "clerk", "clerk 的姓名"]);
  assert.equal((await clerk.pause({ requestId: requestId(), roomId, reason: InterruptionReason.ADJOURN, decidedBy: "审判长" })).takeUs, 7n);
  await until(async () => (await outcomes(court, "rooms.Start")).length === 1);
  assert.deepEqual(await outcomes(court, "rooms.Start"), ["ok"]);
  assert.deepEqual(await outcomes(court, "rooms.Pause"), ["ok"]);
});

test("a room that is away gets nothing and the caller hears since when; back again it answers", async (t) => {
  const court = await startCourt(t, { modules });
  const { started, all } = services();
  const room = await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  const clerk = await court.as("clerk", RoomService);
  room.cut();
  await until(() => !court.house.platform.agents.state({ siteId: "court-1", roomId }).connected);
  const away = await refused(collect(clerk.start({ requestId: requestId(), roomId })), "ROOMS_AWAY");
  assert.deepEqual([away.code, away.details.sinceMs], ["UNAVAILABLE", String(court.clock.nowMs())]);
  assert.equal(started.length, 0);
  await refused(collect(clerk.watchDesk({ roomId })), "ROOMS_AWAY");
  assert.deepEqual(await outcomes(court, "rooms.Start"), ["ROOMS_AWAY"]);
  await room.dial();
  assert.equal((await collect(clerk.start({ requestId: requestId(), roomId }))).length, 2);
});

test("a start that is sent and not answered within 2.5 s is not confirmed, neither is one whose link breaks", async (t) => {
  const court = await startCourt(t, { modules });
  let asked = 0;
  const { all } = services({
    async *start({ title }, { signal }: RpcContext) {
      asked += 1;
      if (title === "half") yield { what: { case: "step", value: { step: "spool", ok: true } } };
      await forever(signal);
    },
  });
  const room = await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  const clerk = await court.as("clerk", RoomService);
  const silent = refused(collect(clerk.start({ requestId: requestId(), roomId })), "ROOMS_UNCONFIRMED");
  await until(() => asked === 1);
  await court.clock.advanceMs(2_500);
  assert.equal((await silent).code, "DEADLINE_EXCEEDED");
  const half = clerk.start({ requestId: requestId(), roomId, title: "half" })[Symbol.asyncIterator]();
  assert.equal((await half.next()).value?.what.case, "step");
  await court.clock.advanceMs(10_000);
  room.cut();
  await refused(half.next(), "ROOMS_UNCONFIRMED");
});

test("what the room refuses stays its refusal, in both languages and with its details", async (t) => {
  const court = await startCourt(t, { modules });
  const { all } = services({
    async *start() {
      await Promise.reject(refusals.running());
      yield {};
    },
  });
  await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  const clerk = await court.as("clerk", RoomService);
  const error = await refused(collect(clerk.start({ requestId: requestId(), roomId })), "ROOMS_RUNNING");
  assert.deepEqual([error.code, error.zh, error.details.startedBy], ["FAILED_PRECONDITION", "已在录制", "别人"]);
  assert.deepEqual(await outcomes(court, "rooms.Start"), ["ROOMS_RUNNING"]);
});

test("desk and live pictures are relayed, to those with the right only, and end with the link and with the session", async (t) => {
  const court = await startCourt(t, { modules });
  const { all } = services();
  const room = await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  const judge = await court.as("judge", RoomService);
  const desk = judge.watchDesk({ roomId })[Symbol.asyncIterator]();
  assert.equal((await desk.next()).value?.what.case, "desk");
  assert.deepEqual(
    (await collect(judge.watchLive({ roomId, tracks: [1] }))).map(({ what }) => what.case),
    ["header", "chunk"],
  );
  for (const login of ["technician", "operator", "archivist"])
    await refused(collect((await court.as(login, RoomService)).watchLive({ roomId, tracks: [1] })), "RIGHTS_ROLE_NEEDED");
  await refused(collect((await court.as("clerk-2", RoomService)).watchDesk({ roomId })), "SITES_ROOM_NOT_FOUND");
  await refused(collect(judge.start({ requestId: requestId(), roomId })), "RIGHTS_ROLE_NEEDED");
  const clerkDesk = (await court.as("clerk", RoomService)).watchDesk({ roomId })[Symbol.asyncIterator]();
  await clerkDesk.next();
  const { sessions, database } = court.house.platform;
  const session = sessions.find(await court.token("clerk"));
  const ended = refused(clerkDesk.next(), "RPC_SESSION_ENDED");
  await database.transaction((tx) => sessions.end(tx, session?.id ?? ""));
  await ended;
  const lost = refused(desk.next(), "ROOMS_AWAY");
  room.cut();
  await lost;
});

test("another site's room of the same name is not this one", async (t) => {
  const court = await startCourt(t, { modules });
  const { started, all } = services();
  await startRoom(t, court, { site: "court-2", room: roomId, services: all });
  await refused(collect((await court.as("clerk", RoomService)).start({ requestId: requestId(), roomId })), "ROOMS_AWAY");
  assert.equal(started.length, 0);
});

test("a room is told its list when it comes, and again when the list changes", async (t) => {
  const court = await startCourt(t, { modules });
  const { told, all } = services();
  const room = await startRoom(t, court, { site: "court-1", room: roomId, services: all });
  await until(() => told.length === 1);
  assert.deepEqual(told[0]?.listings, []);
  const nowMs = court.clock.nowMs();
  const clerk = await court.as("clerk", HearingsService);
  await clerk.createHearing({
    requestId: requestId(),
    roomId,
    kind: HearingKind.TRIAL,
    publicity: Publicity.PUBLIC,
    title: "今天的庭",
    listedFromMs: BigInt(nowMs + 60_000),
    listedToMs: BigInt(nowMs + 3_600_000),
  });
  await until(() => told.length === 2);
  assert.deepEqual(
    told[1]?.listings.map(({ title }) => title),
    ["今天的庭"],
  );
  assert.ok((told[1]?.version ?? 0n) > (told[0]?.version ?? 0n));
  room.cut();
  await until(() => !court.house.platform.agents.state({ siteId: "court-1", roomId }).connected);
  await room.dial();
  await until(() => told.length === 3);
  assert.equal(told[2]?.listings.length, 1);
});
