import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { makeTake, simulatedSigner } from "@xiezhi/media/sim/make-take.ts";
import { Store } from "@xiezhi/media/store/store.ts";
import { type Alarm, AlarmReason, AlarmReasonSchema, AlarmsService } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { UplinkService } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import type { Door } from "@xiezhi/rpc/service.ts";
import { ingestImplementation } from "../../ingest/ingest.rpc.ts";
import { Refusals } from "../../ingest/refusals.ts";
import { uplinkImplementation } from "../../ingest/uplink.rpc.ts";
import { type Court, refused, startCourt } from "../../testing/court.ts";
import { cases } from "../cases/cases.module.ts";
import { hearings } from "../hearings/hearings.module.ts";
import { alarms } from "./alarms.module.ts";

const room = { siteId: "court-1", roomId: "courtroom-1" };
const door: Door = { authenticate: async () => ({ kind: "program", name: "courtroom-1", ...room }), authorize: async () => {} };

/** A court whose ingest stands over a real store, its state on a disk of 256 KiB. */
async function startWithStore(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "xz-alarms-"));
  const state = join(folder, "state");
  await mkdir(state);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", state]);
  const store = await Store.open({
    clock: systemClock,
    log: silentLog,
    stateFolder: state,
    storeFolder: join(folder, "store"),
    backupFolder: join(folder, "backup"),
    reserveBytes: 64 << 10,
  });
  const refusals = new Refusals(systemClock, silentLog);
  const link = memoryLink([ingestImplementation(store, refusals, systemClock), uplinkImplementation(store, refusals, silentLog)], door);
  const ingest = clientOf(IngestService, link);
  const court = await startCourt(t, { modules: [cases, hearings, alarms({ ingest })] });
  t.after(async () => {
    await store.close();
    execFileSync("umount", ["-l", state]);
    await rm(folder, { recursive: true });
  });
  return { court, state, folder, uplink: clientOf(UplinkService, link) };
}

/** Reads what stands until it does as wanted. */
async function whenStanding(court: Court, login: string, holds: (standing: Alarm[]) => boolean): Promise<Alarm[]> {
  for await (const { alarms: standing } of (await court.as(login, AlarmsService)).watchAlarms({})) if (holds(standing)) return standing;
  throw new Error("the watch ended");
}

test("a full disk of the hub stands as an alarm on everybody's page within 5 s, and is gone when there is room", async (t) => {
  const { court, state } = await startWithStore(t);
  await whenStanding(court, "clerk", (standing) => standing.length === 0);
  await writeFile(join(state, "filler"), Buffer.alloc(200 << 10));
  for (const login of ["clerk", "clerk-2", "officer"]) {
    const [alarm] = await whenStanding(court, login, (standing) => standing.length === 1);
    assert.deepEqual([alarm?.reason, alarm?.subject, alarm?.why], [AlarmReason.STORE_TROUBLE, "space", "ENOSPC"]);
  }
  await rm(join(state, "filler"));
  await whenStanding(court, "clerk", (standing) => standing.length === 0);
});

test("a room's refused take stands until it is taken, for that court only", async (t) => {
  const { court, folder, uplink } = await startWithStore(t);
  const tracks = [{ id: "mic-judge", kind: "audio" as const }];
  const { takeId, verifierKey } = await makeTake(join(folder, "take"), { tracks, seconds: 2, signer: simulatedSigner() });
  const open = async (key: string) => {
    const requests = (async function* () {
      yield { what: { case: "open" as const, value: { takeId, verifierKey: key } } };
    })();
    for await (const _ of uplink.sendEntries(requests));
  };
  await open(verifierKey);
  await refused(open("another room's key"), "STORE_WRONG_KEY");
  const [alarm] = await whenStanding(court, "clerk", (standing) => standing.length === 1);
  assert.deepEqual(
    [alarm?.reason, alarm?.subject, alarm?.roomId, alarm?.why],
    [AlarmReason.LEDGER_REFUSED, takeId, room.roomId, "STORE_WRONG_KEY"],
  );
  await whenStanding(court, "clerk-2", (standing) => standing.length === 0);
  await open(verifierKey);
  await whenStanding(court, "clerk", (standing) => standing.length === 0);
});

test("who has no right to the machines' health sees no alarm", async (t) => {
  const { court } = await startWithStore(t);
  const watch = (await court.as("archivist", AlarmsService)).watchAlarms({});
  await refused(watch[Symbol.asyncIterator]().next(), "RIGHTS_ROLE_NEEDED");
});

test("each alarm has its words and its page of what to do", async () => {
  const runbooks = new URL("../../../../docs/runbooks/", import.meta.url);
  for (const { number, name } of AlarmReasonSchema.values) {
    if (number === 0) continue;
    const page = await readFile(new URL(`${name.replace("ALARM_REASON_", "")}.md`, runbooks), "utf8");
    for (const heading of ["## 含义", "## 什么是安全的", "## 怎么办", "## What it means", "## What is safe", "## What to do"])
      assert.ok(page.includes(`\n${heading}\n`), `${name}: the page has no "${heading}"`);
  }
});
