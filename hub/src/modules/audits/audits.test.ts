import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AuditsService, type ListAuditsRequestSchema } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { CasesService, Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { programCall } from "../../platform/call.ts";
import { refused, requestId, startCourt } from "../../testing/court.ts";
import { until } from "../../testing/room.ts";
import { cases } from "../cases/cases.module.ts";
import { audits } from "./audits.module.ts";

const newCase = { siteId: "court-1", number: "（2026）粤0304民初1号", title: "x", procedure: Procedure.ORDINARY };

/** Sequelize has a sentence of its own for it; the engine's is what we wrote. */
const stays = (error: { parent?: Error }) => /audit rows stay/.test(error.parent?.message ?? "");

test("each change and each refusal is one row that says who, what, about which and how it came out", async (t) => {
  const court = await startCourt(t, { modules: [cases, audits] });
  const clerk = await court.as("clerk", CasesService);
  const id = requestId();
  const { case: made } = await clerk.createCase({ ...newCase, requestId: id });
  await clerk.createCase({ ...newCase, requestId: id });
  await refused(clerk.createCase({ ...newCase, requestId: requestId() }), "CASES_NUMBER_TAKEN");
  await refused((await court.as("judge", CasesService)).createCase({ ...newCase, requestId: requestId() }), "RIGHTS_ROLE_NEEDED");
  await refused((await court.as("clerk-2", CasesService)).getCase({ caseId: made?.id ?? "" }), "CASES_NOT_FOUND");
  await refused((await court.as(undefined, UsersService)).whoAmI({}), "RPC_SIGN_IN_FIRST");
  const auditor = await court.as("audit", AuditsService);
  const act = async (name: string) =>
    (await auditor.listAudits({ act: name })).rows.map(({ login, outcome, objectId, siteId }) => [
      login,
      outcome,
      objectId === made?.id,
      siteId,
    ]);
  await until(async () => (await act("users.WhoAmI")).length + (await act("cases.GetCase")).length === 2);
  assert.deepEqual(await act("cases.CreateCase"), [
    ["judge", "RIGHTS_ROLE_NEEDED", false, ""],
    ["clerk", "CASES_NUMBER_TAKEN", false, "court-1"],
    ["clerk", "ok", true, "court-1"],
  ]);
  assert.deepEqual(await act("cases.GetCase"), [["clerk-2", "CASES_NOT_FOUND", false, ""]]);
  assert.deepEqual(await act("users.WhoAmI"), [["", "RPC_SIGN_IN_FIRST", false, ""]]);
});

test("the list is filtered by login, outcome and time", async (t) => {
  const court = await startCourt(t, { modules: [cases, audits] });
  const clerk = await court.as("clerk", CasesService);
  await clerk.createCase({ ...newCase, requestId: requestId() });
  const betweenMs = BigInt(court.clock.nowMs() + 1);
  court.clock.stepUtcMs(2);
  await refused(clerk.createCase({ ...newCase, requestId: requestId() }), "CASES_NUMBER_TAKEN");
  const auditor = await court.as("audit", AuditsService);
  const outcomes = async (filter: MessageInitShape<typeof ListAuditsRequestSchema>) =>
    (await auditor.listAudits({ act: "cases.CreateCase", ...filter })).rows.map(({ outcome }) => outcome);
  assert.deepEqual(await outcomes({ login: "clerk" }), ["CASES_NUMBER_TAKEN", "ok"]);
  assert.deepEqual(await outcomes({ login: "judge" }), []);
  assert.deepEqual(await outcomes({ refused: true }), ["CASES_NUMBER_TAKEN"]);
  assert.deepEqual(await outcomes({ toMs: betweenMs }), ["ok"]);
  assert.deepEqual(await outcomes({ fromMs: betweenMs }), ["CASES_NUMBER_TAKEN"]);
});

test("only the audit administrator reads it, of his own site, page by page", async (t) => {
  const court = await startCourt(t, { modules: [audits] });
  for (const login of ["system", "security", "clerk", "judge"])
    await refused((await court.as(login, AuditsService)).listAudits({}), "RIGHTS_ROLE_NEEDED");
  const auditor = await court.as("audit", AuditsService);
  const seen: bigint[] = [];
  for (let pageToken = ""; ; ) {
    const page = await auditor.listAudits({ pageSize: 5, pageToken });
    seen.push(...page.rows.map(({ number }) => number));
    assert.ok(page.rows.every(({ siteId }) => siteId === "court-1" || siteId === ""));
    if (page.nextPageToken === "") break;
    pageToken = page.nextPageToken;
  }
  assert.ok(seen.length > 10);
  assert.deepEqual(
    seen,
    [...new Set(seen)].sort((a, b) => Number(b - a)),
  );
  await refused(auditor.listAudits({ pageToken: Buffer.from("abc").toString("base64url") }), "AUDITS_TOKEN");
});

test("no path updates or deletes a row, and a change that fails half-way leaves nothing but its refusal", async (t) => {
  const court = await startCourt(t, { modules: [audits] });
  const { database, change, audit } = court.house.platform;
  await assert.rejects(database.sequelize.query("UPDATE audits SET outcome = 'x'"), stays);
  await assert.rejects(database.sequelize.query("DELETE FROM audits"), stays);
  const rows = () => audit.list(undefined, { siteIds: ["court-1", ""], before: Number.MAX_SAFE_INTEGER, limit: 1_000 });
  const before = await rows();
  const broken = change(programCall("test.Broken"), { id: "x", siteId: "" }, async (tx) => {
    await audit.append(tx, programCall("test.Inner"), { id: "x", siteId: "" }, "ok");
    throw new Error("half-way");
  });
  await assert.rejects(broken, /half-way/);
  assert.deepEqual(await rows(), before);
});
