import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "@xiezhi/base/log.ts";
import { startCourt } from "../../testing/court.ts";
import { until } from "../../testing/room.ts";
import { Tells } from "./tells.ts";

const told = { what: "cases.closed", objectId: "1", siteId: "court-1", validAtMs: 5, facts: { kind: "x" } };

async function startTells(t: TestContext) {
  const court = await startCourt(t);
  const { database } = court.house.platform;
  await court.house.platform.tells.stop();
  const make = () => {
    const tells = new Tells(database, court.clock, silentLog);
    t.after(() => tells.stop());
    return tells;
  };
  return { ...court, database, make };
}

test("what is told is heard by each module once the telling is committed, and never when it was rolled back", async (t) => {
  const { database, make } = await startTells(t);
  const tells = make();
  const heard: string[] = [];
  for (const module of ["notices", "statistics"])
    tells.hear(module, {
      "cases.closed": async ({ objectId, facts, knownAtMs }) => void heard.push(`${module} ${objectId} ${facts.kind} ${knownAtMs > 0}`),
    });
  tells.start();
  await assert.rejects(
    database.transaction(async (tx) => {
      await tells.tell(tx, { ...told, objectId: "0" });
      throw new Error("rolled back");
    }),
  );
  await database.transaction((tx) => tells.tell(tx, told));
  await until(() => heard.length === 2);
  assert.deepEqual(heard.sort(), ["notices 1 x true", "statistics 1 x true"]);
});

test("a job that fails is tried again, later each time, and holds up no other module", async (t) => {
  const { database, clock, make } = await startTells(t);
  const tells = make();
  let attempts = 0;
  let others = 0;
  tells.hear("stubborn", {
    "cases.closed": async () => {
      attempts += 1;
      if (attempts < 3) throw new Error("not yet");
    },
  });
  tells.hear("easy", { "cases.closed": async () => void (others += 1) });
  tells.start();
  await database.transaction((tx) => tells.tell(tx, told));
  await until(() => attempts === 1 && others === 1);
  await tells.idle();
  await clock.advanceMs(1_999);
  await tells.idle();
  assert.equal(attempts, 1);
  await clock.advanceMs(1_000);
  await until(() => attempts === 2);
  await tells.idle();
  await clock.advanceMs(5_000);
  await until(() => attempts === 3);
  await tells.idle();
  await clock.advanceMs(60_000);
  assert.equal(attempts, 3);
});

test("what was told and not yet heard when the hub died is heard by the next one", async (t) => {
  const { database, make } = await startTells(t);
  const dead = make();
  dead.hear("notices", { "cases.closed": async () => undefined });
  await database.transaction((tx) => dead.tell(tx, told));
  const next = make();
  const heard: string[] = [];
  next.hear("notices", { "cases.closed": async ({ objectId }) => void heard.push(objectId) });
  next.start();
  await until(() => heard.length === 1);
  assert.deepEqual(heard, ["1"]);
});
