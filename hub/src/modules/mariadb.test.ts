import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { CasesService, Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Availability, DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { HearingKind, HearingState, HearingsService, Publicity } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { TakeState, TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { makeTake } from "@xiezhi/media/sim/make-take.ts";
import { refused, requestId, startCourt } from "../testing/court.ts";
import { brokerOf } from "../testing/broker.ts";
import { startIngest } from "../testing/ingest.ts";
import { newMariaDb } from "../testing/mariadb.ts";
import { until } from "../testing/room.ts";
import { audits } from "./audits/audits.module.ts";
import { cases } from "./cases/cases.module.ts";
import { devices } from "./devices/devices.module.ts";
import { hearings } from "./hearings/hearings.module.ts";
import { takes } from "./takes/takes.module.ts";

const stays = { message: /audit rows stay/ };

test("every store works on MariaDB, and of twenty who want one room exactly one gets it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "xz-maria-take-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const ingest = startIngest();
  const modules = [cases, hearings, takes({ ingest: ingest.client, stores: [folder], derivedFolder: folder }), devices, audits];
  const court = await startCourt(t, { databaseUrl: await newMariaDb(), modules });
  const nowMs = court.clock.nowMs();

  const clerk = await court.as("clerk", CasesService);
  const newCase = {
    siteId: "court-1",
    number: "（2026）粤0304民初1号",
    title: "张三诉李四𠀀",
    procedure: Procedure.ORDINARY,
    parties: [{ role: "原告", name: "张三" }],
  };
  const id = requestId();
  const { case: made } = await clerk.createCase({ ...newCase, requestId: id });
  assert.deepEqual((await clerk.createCase({ ...newCase, requestId: id })).case, made, "the same request, the same answer");
  await refused(clerk.createCase({ ...newCase, requestId: requestId() }), "CASES_NUMBER_TAKEN");
  assert.deepEqual((await clerk.listCases({ search: "张三" })).cases, [made]);

  const lister = await court.as("clerk", HearingsService);
  const hearing = {
    roomId: "courtroom-1",
    kind: HearingKind.TRIAL,
    publicity: Publicity.PUBLIC,
    caseIds: [made?.id ?? ""],
    listedFromMs: BigInt(nowMs),
    listedToMs: BigInt(nowMs + 3_600_000),
    people: [{ seatId: "judge", name: "审判长" }],
  };
  const wanted = await Promise.allSettled(Array.from({ length: 20 }, () => lister.createHearing({ ...hearing, requestId: requestId() })));
  const listed = wanted.flatMap((one) => (one.status === "fulfilled" ? [one.value.hearing] : []));
  assert.equal(listed.length, 1);
  for (const one of wanted) if (one.status === "rejected") assert.equal(one.reason.reason, "HEARINGS_ROOM_TAKEN");

  const takeId = "00000000-0000-7000-8000-000000000001";
  const hearingId = listed[0]?.id ?? "";
  const take = await makeTake(join(folder, takeId), {
    takeId,
    hearingId,
    layout: "store",
    seconds: 3,
    tracks: [{ id: "mic", kind: "audio" }],
  });
  ingest.tell(take.files.ledger, { takeId });
  const viewer = await court.as("judge", TakesService);
  await until(async () => (await viewer.listTakes({ caseId: made?.id ?? "" })).takes[0]?.state === TakeState.ENDED);
  const held = (await lister.getHearing({ hearingId })).hearing;
  assert.deepEqual([held?.state, held?.takes.length, held?.people.length, held?.cases.length], [HearingState.HELD, 1, 1, 1]);
  assert.equal((await lister.listHearings({ pageSize: 1, fromMs: BigInt(nowMs) })).hearings.length, 1);

  const bridge = await (await brokerOf(t, court)).bridge({ siteId: "court-1", roomId: "courtroom-1" });
  await bridge.snapshot([{ id: "cam", state: { availability: Availability.AVAILABLE, sinceMs: 5n } }]);
  const watcher = await court.as("operator", DevicesService);
  await until(async () => (await watcher.listDevices({ pageSize: 10 })).devices.length === 1);

  await (await court.as("judge", UsersService)).logOut({});
  assert.ok((await (await court.as("audit", AuditsService)).listAudits({ act: "hearings.CreateHearing" })).rows.length === 20);
  const siteIds = ["court-1", "court-2", "detention-1", ""];
  const rows = await court.house.platform.audit.list(undefined, { siteIds, before: Number.MAX_SAFE_INTEGER, limit: 1_000 });
  const holes = rows.filter(({ number }, at) => number !== rows.length - at);
  assert.deepEqual(holes, [], "numbered without holes");
  const { sequelize } = court.house.platform.database;
  await assert.rejects(sequelize.query("UPDATE audits SET outcome = 'x'"), stays);
  await assert.rejects(sequelize.query("DELETE FROM audits"), stays);
});
