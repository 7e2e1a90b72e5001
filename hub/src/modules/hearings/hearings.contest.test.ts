import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { makeTake } from "@xiezhi/media/sim/make-take.ts";
import { AlarmReason, AlarmsService } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { TakeStartSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { refused, requestId, startCourt } from "../../testing/court.ts";
import { startIngest } from "../../testing/ingest.ts";
import { until } from "../../testing/room.ts";
import { alarms } from "../alarms/alarms.module.ts";
import { audits } from "../audits/audits.module.ts";
import { cases } from "../cases/cases.module.ts";
import { takes } from "../takes/takes.module.ts";
import { hearings } from "./hearings.module.ts";
import type { HearingsService as Service } from "./hearings.service.ts";

const hearingId = "00000000-0000-7000-8000-0000000000aa";
const first = "00000000-0000-7000-8000-000000000001";
const second = "00000000-0000-7000-8000-000000000002";
const BEGAN_MS = Date.UTC(2026, 0, 5, 1);

/** A hub, and what two rooms bring that recorded one listing: the second room began so many seconds after the first; 20 s each. */
async function startContested(t: TestContext, laterS: number) {
  const folder = await mkdtemp(join(tmpdir(), "xz-contest-"));
  t.after(() => rm(folder, { recursive: true }));
  const ingest = startIngest();
  const modules = [
    cases,
    hearings,
    takes({ ingest: ingest.client, stores: [folder], derivedFolder: folder }),
    alarms({ ingest: ingest.client }),
    audits,
  ];
  const court = await startCourt(t, { modules });
  const made = async (takeId: string, roomId: string, startUtcMs: number) => {
    const told = {
      takeId,
      roomId,
      hearingId,
      startUtcMs,
      layout: "store" as const,
      seconds: 20,
      tracks: [{ id: "mic", kind: "audio" as const }],
    };
    const { files } = await makeTake(join(folder, takeId), told);
    return (size?: number) => ingest.tell(files.ledger, { takeId }, size);
  };
  const tellFirst = await made(first, "courtroom-1", BEGAN_MS);
  const tellSecond = await made(second, "courtroom-2", BEGAN_MS + laterS * 1e3);
  const clerk = await court.as("clerk", HearingsService);
  const hearing = async () => (await clerk.getHearing({ hearingId }).catch(() => undefined))?.hearing;
  /** Alarms, once there are so many. */
  const standing = async (count: number) => {
    for await (const { alarms: seen } of (await court.as("clerk", AlarmsService)).watchAlarms({}))
      if (seen.length === count) return seen.map(({ reason, subject, roomId }) => `${AlarmReason[reason]} ${subject} ${roomId}`);
    return [];
  };
  return { court, clerk, hearing, standing, tellFirst, tellSecond };
}

test("two rooms record one listing side by side: both takes are kept, each Desk shows it, and a person settles it for good", async (t) => {
  const { court, clerk, hearing, standing, tellFirst, tellSecond } = await startContested(t, 10);
  tellFirst();
  await until(async () => (await hearing())?.takes.length === 1);
  tellSecond();
  await until(async () => (await hearing())?.contested === true);
  assert.equal((await hearing())?.takes.length, 2);
  assert.deepEqual((await standing(2)).toSorted(), [
    `HEARING_CONTESTED ${hearingId} courtroom-1`,
    `HEARING_CONTESTED ${hearingId} courtroom-2`,
  ]);
  const settle = { requestId: requestId(), hearingId, takeIds: [second] };
  await refused(clerk.settleTakes({ ...settle, requestId: requestId(), takeIds: [requestId()] }), "HEARINGS_TAKE_NOT_LINKED");
  await refused((await court.as("judge", HearingsService)).settleTakes(settle), "RIGHTS_ROLE_NEEDED");
  await refused((await court.as("clerk-2", HearingsService)).settleTakes(settle), "HEARINGS_NOT_FOUND");
  const { hearing: settled } = await clerk.settleTakes(settle);
  assert.deepEqual([settled?.contested, settled?.takes.map(({ takeId }) => takeId)], [false, [second]]);
  assert.deepEqual(await standing(0), []);
  const viewer = await court.as("clerk", TakesService);
  const kept = (await viewer.getTake({ takeId: first })).take;
  assert.deepEqual([kept?.id, kept?.hearings], [first, []]);
  const { rows } = await (await court.as("audit", AuditsService)).listAudits({ act: "hearings.SettleTakes" });
  assert.deepEqual(
    rows.filter(({ outcome }) => outcome === "ok").map(({ login, objectId }) => [login, objectId]),
    [["clerk", hearingId]],
  );
  const began = create(TakeStartSchema, {
    takeId: first,
    hearingId,
    siteId: "court-1",
    roomId: "courtroom-1",
    utcUs: BigInt(BEGAN_MS * 1e3),
  });
  await court.house.platform.database.transaction((tx) => court.house.api<Service>("hearings").takeBegan(tx, began, 0));
  assert.deepEqual(
    (await hearing())?.takes.map(({ takeId }) => takeId),
    [second],
    "what was said stays said when takes are projected anew",
  );
});

test("one after the other in two rooms is no contest, also while the first room's end is still on its way", async (t) => {
  const { hearing, standing, tellFirst, tellSecond } = await startContested(t, 60);
  tellFirst(3);
  await until(async () => (await hearing())?.takes.length === 1);
  tellSecond();
  await until(async () => (await hearing())?.contested === true);
  tellFirst();
  await until(async () => (await hearing())?.contested === false);
  assert.deepEqual(await standing(0), []);
});
