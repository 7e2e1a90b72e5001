import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Database, hasWalResetRace, isDuplicate } from "./database.ts";
import { type Migration, migrate } from "./migrations.ts";
import { contains, Table } from "./table.ts";

const columns = { id: "text", at_ms: "whole", held: "flag", bytes: "bytes" } as const;
const things = new Table("things", ["id"], columns);
const first: Migration = {
  name: "0001-things",
  ddl: "CREATE TABLE things (id VARCHAR(64) NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL, held BOOLEAN NOT NULL, bytes BLOB NOT NULL)",
};

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "xz-db-"));
  const database = await Database.open(`sqlite:${join(folder, "hub.db")}`);
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  await migrate(database, [{ module: "things", migrations: [first] }]);
  return { database, rows: things.in(database) };
}

const thing = (id: string) => ({ id, at_ms: 2 ** 45 + 1, held: true, bytes: Buffer.from([0, 255]) });

test("what is stored comes back in its kind; a duplicate is told as one", async (t) => {
  const { database, rows } = await open(t);
  await database.transaction((tx) => rows.insert(tx, thing("a")));
  assert.deepEqual(await rows.one(undefined, { id: "a" }), thing("a"));
  assert.equal(await rows.one(undefined, { id: "A" }), undefined, "text is compared byte by byte");
  const again = await database
    .transaction((tx) => rows.insert(tx, thing("a")))
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  assert.ok(isDuplicate(again));
  await database.transaction((tx) => rows.insert(tx, thing("100%_")));
  assert.deepEqual(
    (await rows.all(undefined, { where: contains<typeof columns>("id", "%") })).map(({ id }) => id),
    ["100%_"],
  );
});

test("a transaction is whole or not at all; what waits for its commit runs only then", async (t) => {
  const { database, rows } = await open(t);
  const told: string[] = [];
  const broken = database.transaction(async (tx) => {
    await rows.insert(tx, thing("a"));
    tx.afterCommit(() => told.push("a"));
    throw new Error("no");
  });
  await assert.rejects(broken, /no/);
  assert.equal(await rows.one(undefined, { id: "a" }), undefined);
  await database.transaction(async (tx) => {
    await rows.insert(tx, thing("b"));
    tx.afterCommit(() => told.push("b"));
    assert.deepEqual(told, []);
  });
  assert.deepEqual(told, ["b"]);
});

test("fifty writers that look before they write neither collide nor starve", async (t) => {
  const { database, rows } = await open(t);
  const book = () =>
    database.transaction(async (tx) => {
      if (await rows.one(tx, { id: "room" })) throw new Error("taken");
      await rows.insert(tx, thing("room"));
    });
  const all = await Promise.allSettled(Array.from({ length: 50 }, book));
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
  for (const one of all) if (one.status === "rejected") assert.match(String(one.reason), /taken/);
});

test("migrations run once, in order, one statement each, and go on where they stopped", async (t) => {
  const { database, rows } = await open(t);
  await database.transaction((tx) => rows.insert(tx, thing("kept")));
  const second: Migration = { name: "0002-by-time", ddl: "CREATE INDEX things_by_time ON things (at_ms)" };
  const wrong: Migration = { name: "0003-wrong", ddl: "CREATE NONSENSE" };
  await assert.rejects(migrate(database, [{ module: "things", migrations: [first, second, wrong] }]), /syntax error/);
  await migrate(database, [{ module: "things", migrations: [first, second] }]);
  assert.equal(await rows.count(undefined, {}), 1);
});

test("SQLite libraries that can lose a commit at a WAL reset are refused", () => {
  for (const version of ["3.7.0", "3.40.1", "3.51.2"]) assert.equal(hasWalResetRace(version), true, version);
  for (const version of ["3.51.3", "3.52.0", "3.53.4", "4.0.0"]) assert.equal(hasWalResetRace(version), false, version);
});
