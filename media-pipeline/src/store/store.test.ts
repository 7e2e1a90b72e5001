import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Clock, SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { encodeEntry, type StoredEntry } from "@xiezhi/ledger/entries.ts";
import { LedgerFile, readEntries } from "../ledger-file.ts";
import { type MadeTake, makeTake, type SimulatedTake, simulatedSigner } from "../sim/make-take.ts";
import { storedTakeFilesIn } from "../take-files.ts";
import { Store } from "./store.ts";
import type { StoredTake } from "./stored-take.ts";

function told(store: Store): string[][] {
  return store.alarms.map(({ alarm, subject }) => [alarm, subject]);
}

const room = { siteId: "court-1", roomId: "courtroom-1" };
const wanted: SimulatedTake = {
  tracks: [
    { id: "cam-judge", kind: "video", lostParcels: [12] },
    { id: "mic-clerk", kind: "audio", gaps: [{ fromS: 3, toS: 5 }] },
  ],
  seconds: 25,
};

interface Made extends MadeTake {
  entries: StoredEntry[];
  notes: string[];
  /** Entries that name bytes which are not lost. */
  pieces: { index: number; header: boolean; data: Buffer }[];
}

async function made(t: TestContext, take: SimulatedTake = wanted): Promise<Made> {
  const folder = await temporary(t);
  const it = await makeTake(join(folder, "take"), take);
  const entries = [...readEntries(it.files.ledger)];
  const notes = splitNotes(await readFile(it.files.checkpoints, "utf8")).notes;
  return { ...it, entries, notes, pieces: piecesOf(it, entries) };
}

function piecesOf({ files }: MadeTake, entries: readonly StoredEntry[]): Made["pieces"] {
  const names = new Map<number, string>();
  const lost = new Set<string>();
  for (const {
    entry: { what },
  } of entries) {
    if (what.case === "takeStart") for (const { number, id } of what.value.tracks) names.set(number, id);
    if (what.case === "gap") for (const sequence of what.value.lostParcels) lost.add(`${what.value.track}/${sequence}`);
  }
  const pieces: Made["pieces"] = [];
  for (const {
    index,
    entry: { what },
  } of entries) {
    if (what.case === "stretchStart")
      pieces.push({ index, header: true, data: readFileSync(files.header(names.get(what.value.track)!, what.value.stretch)) });
    if (what.case !== "parcel" || lost.has(`${what.value.track}/${what.value.sequence}`)) continue;
    const { track, segment, offsetInSegment, bytes } = what.value;
    const file = readFileSync(files.segment(names.get(track)!, segment));
    pieces.push({ index, header: false, data: file.subarray(offsetInSegment, offsetInSegment + bytes) });
  }
  return pieces;
}

/** Cleanups run newest first: stores are closed before their folders go. */
const cleanups = new WeakMap<TestContext, (() => unknown)[]>();

function atEnd(t: TestContext, cleanup: () => unknown): void {
  const known = cleanups.get(t);
  if (known) return void known.push(cleanup);
  const mine = [cleanup];
  cleanups.set(t, mine);
  t.after(async () => {
    for (const clean of mine.reverse()) await clean();
  });
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "store-"));
  atEnd(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openStore(t: TestContext, folder: string, clock: Clock = systemClock): Promise<Store> {
  const store = await Store.open({
    clock,
    log: silentLog,
    stateFolder: join(folder, "state"),
    storeFolder: join(folder, "store"),
    backupFolder: join(folder, "backup"),
    reserveBytes: 1,
  });
  atEnd(t, () => store.close());
  return store;
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (await what()) return;
    await systemClock.sleep(20);
  }
  assert.fail("it did not come to be");
}

const leavesOf = (entries: readonly StoredEntry[]) => entries.map(({ bytes }) => bytes);
const isComplete = (folder: string, takeId: string) => async () =>
  (await readdir(join(folder, "state/takes", takeId))).includes("complete.json");

async function sameAsSpool(it: Made, folder: string): Promise<void> {
  for (const which of ["store", "backup"]) {
    const files = storedTakeFilesIn(join(folder, which, it.takeId));
    for (const name of ["ledger", "checkpoints", "verifierKey"] as const)
      assert.deepEqual(await readFile(files[name]), await readFile(it.files[name]), `${which} ${name}`);
    for (const trackId of ["cam-judge", "mic-clerk"])
      for (const name of await readdir(join(it.folder, "tracks", trackId)))
        assert.deepEqual(
          await readFile(join(folder, which, it.takeId, trackId, name)),
          await readFile(join(it.folder, "tracks", trackId, name)),
          name,
        );
  }
}

test("a take that comes in any order lies whole in both stores, byte for byte, and stays so over restarts", async (t) => {
  const it = await made(t);
  const folder = await temporary(t);
  let store = await openStore(t, folder);
  const half = Math.floor(it.entries.length / 2);
  let take = await store.take(it.takeId, room, it.verifierKey);
  assert.equal(await store.append(take, 0, leavesOf(it.entries.slice(0, half)), []), half);
  const early = it.pieces.filter(({ index }) => index < half).reverse();
  const unheld = early.pop()!;
  await Promise.all(early.map(({ index, header, data }) => store.place(take, index, header, data)));
  await store.close();

  store = await openStore(t, folder);
  take = await store.take(it.takeId, room, it.verifierKey);
  assert.equal(take.ledger.size, half);
  const missing = take.pieces.heldRanges().reduce((sum, { from, to }) => sum - (to - from), half);
  assert.equal(missing, 1, "all but one are held");
  const twice: number[] = [];
  store.onTwice((_takeId, indices) => twice.push(...indices));
  assert.equal(await store.append(take, half - 3, leavesOf(it.entries.slice(half - 3)), it.notes), it.entries.length);
  for (const { index, header, data } of [unheld, ...it.pieces.filter((piece) => piece.index >= half), ...early])
    await store.place(take, index, header, data);
  await until(isComplete(folder, it.takeId));
  await sameAsSpool(it, folder);
  assert.equal(new Set(twice).size, it.pieces.length, "each piece is told to lie in both stores");
  const progress = store.progressOf(it.takeId);
  assert.equal(progress?.parcelsHeld, it.pieces.filter(({ header }) => !header).length);
  assert.deepEqual([progress?.parcelsKnown, progress?.parcelsLost], [progress.parcelsHeld + 1, 1]);
  assert.equal(progress?.segmentsFinished, progress?.segmentsTwice);
  assert.equal(progress?.heldThroughUs, 25e6);
  await store.close();

  store = await openStore(t, folder);
  assert.deepEqual(store.progress(), [progress]);
  assert.deepEqual(leavesOf([...store.read(it.takeId, half)]), leavesOf(it.entries.slice(half)));
  const again = await store.take(it.takeId, room, it.verifierKey);
  assert.deepEqual(again.pieces.heldRanges(), [{ from: 0, to: it.entries.length }]);
});

test("history that was rewritten is refused, and so are checkpoints that don't fit", async (t) => {
  const it = await made(t);
  const store = await openStore(t, await temporary(t));
  const take = await store.take(it.takeId, room, it.verifierKey);
  const leaves = leavesOf(it.entries);
  const changed = leaves.with(9, encodeEntry({ ...it.entries[9]!.entry, utcMs: 1n }));
  await store.append(take, 0, leaves.slice(0, 12), []);
  const firstSize = Number(it.notes[0]!.split("\n")[1]);
  await assert.rejects(store.append(take, 5, changed.slice(5, 20), []), { reason: "STORE_REWRITTEN" });
  await assert.rejects(store.append(take, 20, leaves.slice(20), []), { reason: "STORE_AHEAD" });
  const other = leaves.with(14, encodeEntry({ ...it.entries[14]!.entry, utcMs: 1n }));
  await assert.rejects(store.append(take, 12, other.slice(12, firstSize), [it.notes[0]!]), { reason: "STORE_BAD_CHECKPOINT" });
  assert.equal(take.ledger.size, 12, "nothing of what was refused stays");
  await assert.rejects(store.append(take, 12, [], [it.notes[0]!]), { reason: "STORE_BAD_CHECKPOINT" });
  await assert.rejects(store.append(take, 12, [], [it.notes[0]!.replace(/.{4}\n$/, "AAA=\n")]), { reason: "STORE_BAD_CHECKPOINT" });
  await assert.rejects(store.append(take, 12, [Buffer.from("garbage")], []), { reason: "STORE_BAD_ENTRY" });
  await assert.rejects(store.append(take, 12, [leaves[0]!], []), { reason: "STORE_BAD_ENTRY" });
  assert.equal(await store.append(take, 12, leaves.slice(12), []), leaves.length);
  assert.equal(
    await store.append(take, leaves.length, [], it.notes),
    leaves.length,
    "notes that come late are checked against the entries of then",
  );
  assert.equal(splitNotes(await readFile(join(take.folder, "checkpoints"), "utf8")).notes.length, it.notes.length);
});

test("only the room's own key and takes, and only the bytes that the ledger names", async (t) => {
  const it = await made(t);
  const store = await openStore(t, await temporary(t));
  const take = await store.take(it.takeId, room, it.verifierKey);
  await store.append(take, 0, leavesOf(it.entries), []);
  const other = await made(t, { ...wanted, signer: simulatedSigner() });
  await assert.rejects(store.take(other.takeId, room, other.verifierKey), { reason: "STORE_WRONG_KEY" });
  await assert.rejects(store.take(it.takeId, { siteId: "court-1", roomId: "courtroom-2" }, it.verifierKey), { reason: "STORE_WRONG_KEY" });
  await assert.rejects(store.take(it.takeId, room, "garbage"), { reason: "STORE_WRONG_KEY" });
  await assert.rejects(store.take("../../etc", room, it.verifierKey), RangeError);
  const neighbour = await made(t, { ...wanted, roomId: "courtroom-2" });
  await assert.rejects(store.take(it.takeId, { siteId: "court-1", roomId: "courtroom-2" }, neighbour.verifierKey), {
    reason: "STORE_UNKNOWN_TAKE",
  });
  const parcel = it.pieces.find(({ header }) => !header)!;
  await assert.rejects(store.place(take, parcel.index, false, Buffer.alloc(parcel.data.length)), { reason: "STORE_WRONG_BYTES" });
  await assert.rejects(store.place(take, parcel.index, false, parcel.data.subarray(1)), { reason: "STORE_WRONG_BYTES" });
  await assert.rejects(store.place(take, parcel.index, true, parcel.data), { reason: "STORE_UNKNOWN_PARCEL" });
  await assert.rejects(store.place(take, 0, false, parcel.data), { reason: "STORE_UNKNOWN_PARCEL" });
  await assert.rejects(store.place(take, 1e9, false, parcel.data), { reason: "STORE_UNKNOWN_PARCEL" });
});

test("torn tails of a crash are cut; a ledger that was changed on disk is reported and left alone", async (t) => {
  const it = await made(t);
  const folder = await temporary(t);
  let store = await openStore(t, folder);
  const take: StoredTake = await store.take(it.takeId, room, it.verifierKey);
  await store.append(take, 0, leavesOf(it.entries), it.notes);
  await store.place(take, it.pieces[0]!.index, it.pieces[0]!.header, it.pieces[0]!.data);
  await store.close();
  await appendFile(join(take.folder, "ledger"), Buffer.from([200, 0, 0, 0, 1, 2, 3]));
  await appendFile(join(take.folder, "held"), Buffer.alloc(12));
  await appendFile(join(take.folder, "checkpoints"), it.notes[0]!.slice(0, 50));
  store = await openStore(t, folder);
  const back = await store.take(it.takeId, room, it.verifierKey);
  assert.equal(back.ledger.size, it.entries.length);
  assert.deepEqual(store.alarms, []);
  await store.close();

  const bytes = await readFile(join(take.folder, "ledger"));
  bytes[it.entries[8]!.offset + 8]! ^= 1;
  await writeFile(join(take.folder, "ledger"), bytes);
  store = await openStore(t, folder);
  assert.deepEqual(told(store), [["TAKE_DAMAGED", it.takeId]]);
  assert.deepEqual(store.progress(), []);
});

/** Its state lies on a disk of 256 KiB. */
async function onSmallDisk(t: TestContext): Promise<string> {
  const folder = await temporary(t);
  await mkdir(join(folder, "state"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", join(folder, "state")]);
  atEnd(t, () => execFileSync("umount", ["-l", join(folder, "state")]));
  return folder;
}

test("a full disk is an alarm 5 s later at most, also when nobody writes", async (t) => {
  const folder = await onSmallDisk(t);
  const clock = new SimulatedClock();
  const store = await openStore(t, folder, clock);
  await assert.rejects(writeFile(join(folder, "state/filler"), Buffer.alloc(1 << 20)), { code: "ENOSPC" });
  await clock.advanceMs(5_000);
  await until(() => store.alarms.length > 0);
  assert.deepEqual(told(store), [["STORE_TROUBLE", "space"]]);
});

test("a full disk refuses, says so, and goes on by itself when there is room", async (t) => {
  const it = await made(t, { tracks: [{ id: "cam-judge", kind: "video" }], seconds: 6 });
  const folder = await onSmallDisk(t);
  const store = await openStore(t, folder);
  let changes = 0;
  store.onChange((takeId) => (changes += takeId === undefined ? 1 : 0));
  const take = await store.take(it.takeId, room, it.verifierKey);
  await store.append(take, 0, leavesOf(it.entries), it.notes);
  const filler = join(folder, "state/filler");
  await assert.rejects(writeFile(filler, Buffer.alloc(1 << 20)), { code: "ENOSPC" });
  for (const { index, header, data } of it.pieces)
    await assert.rejects(store.place(take, index, header, data), { reason: "STORE_TROUBLE" });
  assert.equal(changes, 1, "told once, at once");
  assert.deepEqual(
    store.alarms.map(({ alarm, why }) => [alarm, why]),
    [["STORE_TROUBLE", "ENOSPC"]],
  );
  await rm(filler);
  await until(() =>
    store.place(take, it.pieces[0]!.index, it.pieces[0]!.header, it.pieces[0]!.data).then(
      () => true,
      () => false,
    ),
  );
  for (const { index, header, data } of it.pieces) await store.place(take, index, header, data);
  assert.deepEqual(store.alarms, []);
  await until(isComplete(folder, it.takeId));
});

test("a backup that is away is reported, and filled when it is back", async (t) => {
  const it = await made(t);
  const folder = await temporary(t);
  const store = await openStore(t, folder);
  await rm(join(folder, "backup"), { recursive: true });
  await writeFile(join(folder, "backup"), "not a folder");
  const take = await store.take(it.takeId, room, it.verifierKey);
  await store.append(take, 0, leavesOf(it.entries), it.notes);
  for (const { index, header, data } of it.pieces) await store.place(take, index, header, data);
  await until(() => (store.progressOf(it.takeId)?.segmentsFinished ?? 0) === 6);
  assert.equal(store.progressOf(it.takeId)?.segmentsTwice, 0);
  assert.deepEqual(told(store), [["STORE_TROUBLE", "backup"]]);
  await rm(join(folder, "backup"));
  await until(isComplete(folder, it.takeId));
  assert.deepEqual(store.alarms, []);
  await sameAsSpool(it, folder);
});

test("a take that goes on after it was complete is complete again", async (t) => {
  const it = await made(t);
  const folder = await temporary(t);
  const store = await openStore(t, folder);
  const take = await store.take(it.takeId, room, it.verifierKey);
  await store.append(take, 0, leavesOf(it.entries), it.notes);
  for (const { index, header, data } of it.pieces) await store.place(take, index, header, data);
  await until(isComplete(folder, it.takeId));
  await cp(it.folder, join(folder, "longer"), { recursive: true });
  const ledger = await LedgerFile.open(join(folder, "longer"), it.takeId, it.signer);
  ledger.append([{ what: { case: "link", value: { hearingId: "another" } } }]);
  await ledger.sync();
  ledger.close();
  const last = [...readEntries(join(folder, "longer/ledger"))].slice(-1);
  const again = await store.take(it.takeId, room, it.verifierKey);
  assert.equal(await store.append(again, it.entries.length, leavesOf(last), []), it.entries.length + 1);
  const stored = join(folder, "backup", it.takeId, "ledger");
  await until(async () => (await readFile(stored)).equals(await readFile(join(folder, "longer/ledger"))));
});
