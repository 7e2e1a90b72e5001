import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog as log } from "@xiezhi/base/log.ts";
import { roomKeyName } from "@xiezhi/ledger/checkpoint.ts";
import type { EntryInit } from "@xiezhi/ledger/entries.ts";
import { type Entry, GapCause, TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { readEntries } from "../ledger-file.ts";
import { openRoomKey } from "../signing.ts";
import type { JournalLine } from "./journal.ts";
import { takeFolder } from "./take-folder.ts";
import { TakeSpool } from "./take-spool.ts";

const BOOT = "boot-1";
const TRACKS = [
  { number: 1, id: "cam-judge", kind: TrackKind.VIDEO, timescale: 90_000 },
  { number: 2, id: "mic-clerk", kind: TrackKind.AUDIO, timescale: 48_000 },
];

/** A take folder, and a hand that writes into it as a worker does. */
async function bench(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), "xz-"));
  const takeId = newId();
  const folder = join(home, takeId);
  const clock = new SimulatedClock();
  const signer = await openRoomKey(join(home, "room.pem"), roomKeyName("court-1", "courtroom-1"));
  const counts = { durable: 0 };
  const options = { folder, takeId, signer, clock, log, onDurable: () => counts.durable++ };
  const zeroUs = clock.monoUs();
  const value = {
    takeId,
    siteId: "court-1",
    roomId: "courtroom-1",
    tracks: TRACKS,
    bootId: BOOT,
    monoUs: BigInt(zeroUs),
    utcUs: BigInt(clock.nowMs()) * 1000n,
  };
  const start: EntryInit = { takeUs: 0n, utcMs: BigInt(clock.nowMs()), what: { case: "takeStart", value } };
  const sequences = [0, 0, 0];
  const offsets = [0, 0, 0];
  const write = (...lines: JournalLine[]) =>
    appendFileSync(takeFolder.journal(folder, "w1"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  /** One second of a track as a parcel in segment 0. */
  const parcel = (track: 1 | 2, text = `second ${sequences[track]} of track ${track}`): JournalLine => {
    const bytes = Buffer.from(text);
    const { id = "", timescale = 0 } = TRACKS[track - 1] ?? {};
    const sequence = sequences[track]!++;
    const offsetInSegment = offsets[track]!;
    offsets[track]! += bytes.length;
    mkdirSync(join(folder, "tracks", id), { recursive: true });
    appendFileSync(takeFolder.segment(folder, id, 0), bytes);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const place = { segment: 0, offsetInSegment, key: true, damaged: false, closesSegment: false };
    return {
      parcel: { track, stretch: 0, sequence, ticks: sequence * timescale, durationTicks: timescale, bytes: bytes.length, digest, ...place },
    };
  };
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const entries = (of = folder) => [...readEntries(takeFolder.ledger(of))].map(({ entry }) => entry.what);
  const kinds = () => entries().map((what) => what.case);
  return { folder, clock, options, start, write, parcel, entries, kinds, counts, zeroUs };
}

const lostIn = (entries: Entry["what"][]) =>
  entries.flatMap((what) =>
    what.case === "gap" && what.value.parts[0]?.cause === GapCause.LOST_BYTES ? what.value.lostParcels.map(Number) : [],
  );

/** Rounds do real I/O: simulated time alone does not wait for it. */
async function settle(spool: TakeSpool): Promise<void> {
  await spool.add();
}

test("each second what the journal names is entered, once, and durable; the agent's own entries come behind it", async (t) => {
  const { clock, options, start, write, parcel, kinds, counts } = await bench(t);
  const spool = await TakeSpool.create(options, start);
  assert.equal(spool.size, 1);
  write(parcel(1), parcel(2));
  const before = counts.durable;
  await clock.advanceMs(1_000);
  await settle(spool);
  assert.ok(counts.durable > before);
  assert.deepEqual(kinds(), ["takeStart", "parcel", "parcel"]);
  assert.deepEqual([spool.durableThroughUs(1), spool.durableThroughUs(2)], [1e6, 1e6]);
  write(parcel(1));
  await spool.add({ takeUs: 1n, utcMs: 1n, what: { case: "mark", value: { type: "note" } } });
  assert.deepEqual(kinds().slice(3), ["parcel", "mark"]);
  await settle(spool);
  assert.equal(spool.size, 5);
  await spool.close();
});

test("a torn line waits for its end; a line of an unknown track is passed over", async (t) => {
  const { folder, options, start, write, parcel, kinds } = await bench(t);
  const spool = await TakeSpool.create(options, start);
  write({ gap: { track: 9, fromUs: 0, toUs: 1, parts: [], lostPackets: 0 } });
  const line = JSON.stringify(parcel(1));
  appendFileSync(takeFolder.journal(folder, "w1"), line.slice(0, 40));
  await settle(spool);
  assert.deepEqual(kinds(), ["takeStart"]);
  appendFileSync(takeFolder.journal(folder, "w1"), `${line.slice(40)}\n`);
  await settle(spool);
  assert.deepEqual(kinds(), ["takeStart", "parcel"]);
  await spool.close();
});

test("the next agent writes restart first, then what the journal has and the ledger lacks", async (t) => {
  const { clock, options, start, write, parcel, kinds, entries, zeroUs } = await bench(t);
  const first = await TakeSpool.create(options, start);
  write(parcel(1), parcel(2), {
    gap: { track: 2, fromUs: 5, toUs: 6, parts: [{ cause: "connecting", fromUs: 5, toUs: 6 }], lostPackets: 0 },
  });
  await first.close();
  write(parcel(2), parcel(1));
  await clock.advanceMs(7_000);
  const second = await TakeSpool.reopen(options, BOOT);
  await settle(second);
  assert.deepEqual(kinds(), ["takeStart", "parcel", "parcel", "gap", "restart", "parcel", "parcel"]);
  const restart = entries()[4];
  assert.ok(restart?.case === "restart" && !restart.value.rebooted);
  assert.equal(second.zeroUs, zeroUs);
  assert.deepEqual(lostIn(entries()), []);
  await second.close();
});

test("parcels behind the last checkpoint whose bytes are gone are declared, those before it are not doubted", async (t) => {
  const { folder, options, start, write, parcel, entries } = await bench(t);
  const first = await TakeSpool.create(options, start);
  write(parcel(1), parcel(1));
  await first.close();
  const second = await TakeSpool.reopen(options, BOOT);
  write(parcel(1), parcel(1), parcel(1));
  await settle(second);
  // What a crash leaves: no last checkpoint.
  const crashed = `${folder}-crashed`;
  cpSync(folder, crashed, { recursive: true });
  await second.close();
  const segment = takeFolder.segment(crashed, "cam-judge", 0);
  const bytes = readFileSync(segment);
  writeFileSync(segment, Buffer.concat([Buffer.from([1]), bytes.subarray(1)]));
  truncateSync(segment, bytes.length - 1);
  const third = await TakeSpool.reopen({ ...options, folder: crashed }, BOOT);
  assert.deepEqual(lostIn(entries(crashed)), [4]);
  await third.close();
});

test("after a restart of the machine take time goes on by civil time, and what did not reach the disk is declared", async (t) => {
  const { folder, clock, options, start, write, parcel, entries } = await bench(t);
  const first = await TakeSpool.create(options, start);
  write(parcel(1));
  await first.close();
  write(parcel(1), parcel(1), parcel(2));
  rmSync(takeFolder.segment(folder, "mic-clerk", 0));
  const segment = takeFolder.segment(folder, "cam-judge", 0);
  truncateSync(segment, readFileSync(segment).length - 3);
  await clock.advanceMs(60_000);
  const second = await TakeSpool.reopen(options, "boot-2");
  await settle(second);
  const restart = entries().find((what) => what.case === "restart");
  assert.ok(restart?.value.rebooted);
  assert.ok(Math.abs(clock.monoUs() - second.zeroUs - 60e6) < 2e6);
  assert.deepEqual(lostIn(entries()), [2, 0]);
  await second.close();
});

test("checkpoints are signed less than 10 s after an entry and at the end", async (t) => {
  const { folder, clock, options, start, write, parcel } = await bench(t);
  const spool = await TakeSpool.create(options, start);
  const signed = () => readFileSync(takeFolder.checkpoints(folder), "utf8").split("\n\n").length >> 1;
  for (let second = 0; second < 20; second++) {
    write(parcel(1));
    await clock.advanceMs(1_000);
    await settle(spool);
  }
  assert.equal(signed(), 2);
  write(parcel(1));
  await spool.close();
  assert.equal(signed(), 3);
});

test("a line that can be no entry is passed over: the others of its round are entered, also by the next agent", async (t) => {
  const { options, start, write, parcel, kinds } = await bench(t);
  const first = await TakeSpool.create(options, start);
  const anchor = { track: 2, stretch: -1, sourceTicks: 1, sourceRate: 48_000, ticks: 0, arrivedUtcUs: 1 };
  write(parcel(1), { anchor }, parcel(2));
  await settle(first);
  write({ gap: { track: 1, fromUs: 0.5, toUs: 1, parts: [], lostPackets: 0 } }, parcel(1));
  await settle(first);
  assert.deepEqual(kinds(), ["takeStart", "parcel", "parcel", "parcel"]);
  await first.close();
  write(parcel(2));
  const second = await TakeSpool.reopen(options, BOOT);
  await settle(second);
  assert.deepEqual(kinds().slice(4), ["restart", "parcel"]);
  await second.close();
});

test("who listens and fails keeps nothing from becoming durable, nor from being signed", async (t) => {
  const { folder, clock, options, start, write, parcel } = await bench(t);
  const broken = () => {
    throw new Error("a listener's own trouble");
  };
  const spool = await TakeSpool.create({ ...options, onDurable: broken }, start);
  write(parcel(1));
  await clock.advanceMs(9_000);
  await settle(spool);
  assert.equal(spool.durableThroughUs(1), 1e6);
  assert.match(readFileSync(takeFolder.checkpoints(folder), "utf8"), /^xiezhi\//);
  await spool.close();
});
