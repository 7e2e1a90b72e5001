import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { EntryInit } from "@xiezhi/ledger/entries.ts";
import { readLedger } from "@xiezhi/ledger/model.ts";
import { LedgerFile, readEntries } from "./ledger-file.ts";
import { openRoomKey } from "./signing.ts";
import { simulatedSigner } from "./sim/make-take.ts";

const signer = simulatedSigner();
const mark = (text: string): EntryInit => ({ takeUs: 1n, utcMs: 2n, what: { case: "mark", value: { markId: "m", type: "note", text } } });

async function folderFor(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xz-ledger-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A ledger of six entries of which the checkpoint covers four. */
async function sixEntries(folder: string): Promise<void> {
  const ledger = await LedgerFile.open(folder, "t", signer);
  assert.equal(ledger.append(["0", "1", "2"].map(mark)), 0);
  assert.equal(ledger.append([mark("3")]), 3);
  assert.equal(ledger.durableSize, 0);
  assert.equal((await ledger.checkpoint())?.size, 4);
  assert.equal(await ledger.checkpoint(), undefined);
  ledger.append([mark("4"), mark("5")]);
  assert.deepEqual([ledger.size, ledger.durableSize, ledger.provenSize], [6, 4, 4]);
  await ledger.sync();
  assert.equal(ledger.durableSize, 6);
  ledger.close();
}

test("a ledger goes on where it stood, with the same root", async (t) => {
  const folder = await folderFor(t);
  await sixEntries(folder);
  const again = await LedgerFile.open(folder, "t", signer);
  assert.deepEqual([again.size, again.durableSize, again.provenSize, again.cutEntries], [6, 6, 4, 0]);
  assert.equal(again.append([mark("6")]), 6);
  await again.checkpoint();
  const root = again.root();
  again.close();
  const last = await LedgerFile.open(folder, "t", signer);
  assert.deepEqual(Buffer.from(last.root()), Buffer.from(root));
  assert.equal(last.provenSize, 7);
  last.close();
  assert.equal(readLedger(readFileSync(join(folder, "ledger"))).marks.length, 7);
});

test("entries are read from any place on", async (t) => {
  const folder = await folderFor(t);
  await sixEntries(folder);
  const all = [...readEntries(join(folder, "ledger"))];
  const from = all[4];
  assert.ok(from);
  assert.deepEqual([...readEntries(join(folder, "ledger"), from)], all.slice(4));
});

test("a torn tail after the last checkpoint is cut, wherever it was torn", async (t) => {
  const folder = await folderFor(t);
  await sixEntries(folder);
  const file = join(folder, "ledger");
  const whole = readFileSync(file);
  const notes = readFileSync(join(folder, "checkpoints"));
  const sizes = [...readEntries(file)].map(({ offset }) => offset);
  for (let bytes = sizes[4] as number; bytes < whole.length; bytes++) {
    writeFileSync(file, whole.subarray(0, bytes));
    appendFileSync(join(folder, "checkpoints"), notes.subarray(0, bytes % notes.length));
    const ledger = await LedgerFile.open(folder, "t", signer);
    assert.equal(ledger.size, bytes >= (sizes[5] as number) ? 5 : 4);
    assert.equal(ledger.cutEntries, sizes.includes(bytes) ? 0 : 1);
    ledger.append([mark("after")]);
    ledger.close();
    const again = await LedgerFile.open(folder, "t", signer);
    assert.equal(again.cutEntries, 0);
    again.close();
    assert.deepEqual(readFileSync(join(folder, "checkpoints")), notes);
  }
});

test("zeros or noise at the end, as a lost power leaves them, are cut", async (t) => {
  const folder = await folderFor(t);
  await sixEntries(folder);
  for (const tail of [Buffer.alloc(500), Buffer.alloc(500, 0xff), Buffer.from([5, 0, 0, 0, 255, 255, 255, 255, 255])]) {
    const before = statSync(join(folder, "ledger")).size;
    appendFileSync(join(folder, "ledger"), tail);
    const ledger = await LedgerFile.open(folder, "t", signer);
    assert.deepEqual([ledger.size, ledger.cutEntries], [6, 1]);
    ledger.close();
    assert.equal(statSync(join(folder, "ledger")).size, before);
  }
});

test("signed entries that are gone or changed are never written after", async (t) => {
  const folder = await folderFor(t);
  await sixEntries(folder);
  const file = join(folder, "ledger");
  const whole = readFileSync(file);
  const changed = Buffer.from(whole);
  changed[10] = (changed[10] as number) ^ 1;
  writeFileSync(file, changed);
  await assert.rejects(LedgerFile.open(folder, "t", signer), { reason: "LEDGER_BROKEN", code: "DATA_LOSS" });
  writeFileSync(file, whole);
  truncateSync(file, 30);
  await assert.rejects(LedgerFile.open(folder, "t", signer), { reason: "LEDGER_BROKEN" });
  writeFileSync(file, whole);
  await assert.rejects(LedgerFile.open(folder, "other", signer), { reason: "LEDGER_BROKEN" });
  await assert.rejects(LedgerFile.open(folder, "t", simulatedSigner()), { reason: "LEDGER_BROKEN" });
  assert.deepEqual(readFileSync(file), whole);
});

test("a room's key is made once, for its owner only", async (t) => {
  const file = join(await folderFor(t), "keys", "room.pem");
  const made = await openRoomKey(file, "xiezhi/court-1/courtroom-1");
  const again = await openRoomKey(file, "xiezhi/court-1/courtroom-1");
  assert.deepEqual(made.publicKey, again.publicKey);
  assert.equal(made.publicKey.length, 32);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});
