import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CasesService, Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import {
  type CreateHearingRequestSchema,
  HearingKind,
  HearingState,
  HearingsService,
  Publicity,
} from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { TakeStartSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type Court, refused, requestId, startCourt } from "../../testing/court.ts";
import { cases } from "../cases/cases.module.ts";
import { hearings } from "./hearings.module.ts";
import type { HearingsService as Service } from "./hearings.service.ts";

const MINUTE_MS = 60_000;
const modules = [cases, hearings];

/** Minutes from now to minutes from now. */
function at(court: Court, from: number, to: number): MessageInitShape<typeof CreateHearingRequestSchema> {
  const nowMs = court.clock.nowMs();
  return {
    requestId: requestId(),
    roomId: "courtroom-1",
    kind: HearingKind.TRIAL,
    publicity: Publicity.PUBLIC,
    title: "买卖合同纠纷",
    listedFromMs: BigInt(nowMs + from * MINUTE_MS),
    listedToMs: BigInt(nowMs + to * MINUTE_MS),
  };
}

function takeStart(takeId: string, hearingId: string, more: object = {}) {
  return create(TakeStartSchema, { takeId, hearingId, siteId: "court-1", roomId: "courtroom-1", title: "临时开庭", ...more });
}

test("of fifty that list the same room at once exactly one is listed, the others hear why", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  const all = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => clerk.createHearing(at(court, 60 + (n % 10), 120))));
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
  for (const one of all)
    if (one.status === "rejected") {
      assert.equal(one.reason.reason, "HEARINGS_ROOM_TAKEN");
      assert.equal(one.reason.code, "FAILED_PRECONDITION");
    }
  assert.equal((await clerk.listHearings({})).hearings.length, 1);
});

test("back-to-back is no overlap, another room is free, a cancelled hearing frees its time", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  const { hearing } = await clerk.createHearing(at(court, 60, 120));
  await clerk.createHearing(at(court, 120, 180));
  await clerk.createHearing(at(court, 0, 60));
  await clerk.createHearing({ ...at(court, 60, 120), roomId: "courtroom-2" });
  const taken = await refused(clerk.createHearing(at(court, 119, 121)), "HEARINGS_ROOM_TAKEN");
  assert.equal(taken.details.hearingId, hearing?.id);
  await clerk.cancelHearing({ requestId: requestId(), hearingId: hearing?.id ?? "", reason: "当事人申请" });
  await refused(clerk.cancelHearing({ requestId: requestId(), hearingId: hearing?.id ?? "", reason: "再次" }), "HEARINGS_NOT_LISTED");
  await clerk.createHearing(at(court, 60, 120));
});

test("times, ground and cases are checked; a foreign room is not found", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  await refused(clerk.createHearing(at(court, 60, 60)), "HEARINGS_TIMES_WRONG");
  await refused(clerk.createHearing({ ...at(court, 60, 120), publicity: Publicity.NOT_PUBLIC }), "HEARINGS_GROUND_NEEDED");
  const unknown = "00000000-0000-4000-8000-00000000ffff";
  await refused(clerk.createHearing({ ...at(court, 60, 120), caseIds: [unknown] }), "HEARINGS_CASE_NOT_FOUND");
  await refused(clerk.createHearing({ ...at(court, 60, 120), roomId: "courtroom-9" }), "SITES_ROOM_NOT_FOUND");
  await refused(clerk.createHearing({ ...at(court, 60, 120), roomId: "nowhere" }), "SITES_ROOM_NOT_FOUND");
  assert.equal(
    (await refused(clerk.createHearing({ ...at(court, 60, 120), requestId: "no uuid" }), "RPC_INVALID_FIELD")).details.field,
    "request_id",
  );
  const judge = await court.as("judge", HearingsService);
  await refused(judge.createHearing(at(court, 60, 120)), "RIGHTS_ROLE_NEEDED");
});

test("a hearing that overruns makes the next one wait, and is held when its last take ends", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  const service = court.house.api<Service>("hearings");
  const database = court.house.platform.database;
  const { hearing: first } = await clerk.createHearing(at(court, 0, 20));
  const { hearing: next } = await clerk.createHearing(at(court, 20, 120));
  const take = takeStart("00000000-0000-7000-8000-000000000001", first?.id ?? "");
  await database.transaction((tx) => service.takeBegan(tx, take, 0));
  const state = async (id = "") => (await clerk.getHearing({ hearingId: id })).hearing;
  assert.equal((await state(first?.id))?.state, HearingState.RUNNING);
  assert.equal((await state(next?.id))?.waitsForHearingId, "");
  await court.clock.advanceMs(21 * MINUTE_MS);
  assert.equal((await state(next?.id))?.waitsForHearingId, first?.id);
  const second = takeStart("00000000-0000-7000-8000-000000000002", first?.id ?? "");
  await database.transaction((tx) => service.takeBegan(tx, second, 5));
  await database.transaction((tx) => service.takeLeft(tx, take, 1_000));
  assert.equal((await state(first?.id))?.state, HearingState.RUNNING, "its second take still runs");
  await database.transaction((tx) => service.takeLeft(tx, second, 2_000));
  const held = await state(first?.id);
  assert.equal(held?.state, HearingState.HELD);
  assert.deepEqual(
    held?.takes.map(({ takeId, fromUs, toUs }) => [takeId, fromUs, toUs]),
    [
      [take.takeId, 0n, 1_000n],
      [second.takeId, 5n, 2_000n],
    ],
  );
  assert.equal((await state(next?.id))?.waitsForHearingId, "");
});

test("a hearing that nobody listed exists once its take begins, and is linked to its case later", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  const service = court.house.api<Service>("hearings");
  const hearingId = "00000000-0000-7000-8000-0000000000aa";
  const take = takeStart("00000000-0000-7000-8000-000000000001", hearingId, { unlisted: true });
  for (let again = 0; again < 2; again += 1) await court.house.platform.database.transaction((tx) => service.takeBegan(tx, take, 0));
  const { hearing } = await clerk.getHearing({ hearingId });
  assert.deepEqual([hearing?.state, hearing?.title, hearing?.takes.length], [HearingState.RUNNING, "临时开庭", 1]);
  const made = await (await court.as("clerk", CasesService)).createCase({
    requestId: requestId(),
    siteId: "court-1",
    number: "（2026）粤0304民初1号",
    title: "张三诉李四",
    procedure: Procedure.ORDINARY,
  });
  const caseId = made.case?.id ?? "";
  const { hearing: linked } = await clerk.linkCases({ requestId: requestId(), hearingId, caseIds: [caseId] });
  assert.deepEqual(
    linked?.cases.map(({ number }) => number?.text),
    ["（2026）粤0304民初1号"],
  );
  assert.deepEqual(
    (await clerk.listHearings({ caseId })).hearings.map(({ id }) => id),
    [hearingId],
  );
  const stranger = takeStart("00000000-0000-7000-8000-000000000003", hearingId, { siteId: "court-2", title: "x" });
  await court.house.platform.database.transaction((tx) => service.takeBegan(tx, stranger, 0));
  assert.equal((await clerk.getHearing({ hearingId })).hearing?.takes.length, 1, "another site's room can't write here");
});

test("a list pages by time and is cut to a window", async (t) => {
  const court = await startCourt(t, { modules });
  const clerk = await court.as("clerk", HearingsService);
  for (let n = 0; n < 5; n += 1) await clerk.createHearing(at(court, n * 10, n * 10 + 10));
  const seen: bigint[] = [];
  for (let pageToken = ""; ; ) {
    const page = await clerk.listHearings({ pageSize: 2, pageToken });
    seen.push(...page.hearings.map(({ listedFromMs }) => listedFromMs));
    if (page.nextPageToken === "") break;
    pageToken = page.nextPageToken;
  }
  assert.equal(seen.length, 5);
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => Number(a - b)),
  );
  const nowMs = court.clock.nowMs();
  const window = await clerk.listHearings({ fromMs: BigInt(nowMs + 10 * MINUTE_MS), toMs: BigInt(nowMs + 20 * MINUTE_MS) });
  assert.equal(window.hearings.length, 1);
});
