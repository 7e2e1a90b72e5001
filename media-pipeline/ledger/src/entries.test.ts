import assert from "node:assert/strict";
import { test } from "node:test";
import { GapCause, InterruptionReason, TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { decodeEntry, ENTRY_MAX_BYTES, type EntryInit, EntryReader, encodeEntry, frameEntries } from "./entries.ts";
import { readLedger } from "./model.ts";

const entry = (takeUs: number, what: EntryInit["what"]) => encodeEntry({ takeUs: BigInt(takeUs), utcMs: 1n, what } as EntryInit);
const mark = (text: string) => entry(5, { case: "mark", value: { markId: "m", type: "note", text } });

test("entries come out as they went in, however the bytes are cut", () => {
  const leaves = ["一", "", "three", "x".repeat(3000)].map(mark);
  const bytes = frameEntries(leaves);
  for (const step of [1, 3, 7, 1000, bytes.length]) {
    const reader = new EntryReader();
    const found = [];
    for (let at = 0; at < bytes.length; at += step) found.push(...reader.push(bytes.subarray(at, at + step)));
    assert.deepEqual(
      found.map((stored) => Buffer.from(stored.bytes)),
      leaves.map((leaf) => Buffer.from(leaf)),
    );
    assert.deepEqual([reader.index, reader.offset], [4, bytes.length]);
  }
});

test("a torn entry is waited for, and one that is none is refused after those before it were given", () => {
  const whole = frameEntries([mark("a"), mark("b")]);
  const reader = new EntryReader();
  assert.equal([...reader.push(whole.subarray(0, -1))].length, 1);
  assert.deepEqual(
    [...reader.push(whole.subarray(-1))].map(({ index }) => index),
    [1],
  );
  for (const bad of [
    [0, 0, 0, 0],
    [255, 255, 255, 255],
    [1, 0, 0, 0, 0xff],
    [2, 0, 0, 0, 0x08, 0x02],
  ]) {
    const given: number[] = [];
    assert.throws(() => {
      for (const { index } of new EntryReader().push(Buffer.concat([whole, Buffer.from(bad)]))) given.push(index);
    }, RangeError);
    assert.deepEqual(given, [0, 1]);
  }
  assert.throws(() => encodeEntry({ what: { case: "mark", value: { text: "x".repeat(ENTRY_MAX_BYTES) } } }), RangeError);
  assert.throws(() => decodeEntry(new Uint8Array(ENTRY_MAX_BYTES + 1)), RangeError);
});

test("the model says what the ledger says", () => {
  const parcel = (sequence: number, segment: number, offsetInSegment: number) =>
    entry(0, {
      case: "parcel",
      value: {
        track: 1,
        sequence: BigInt(sequence),
        ticks: BigInt(sequence * 90_000),
        durationTicks: 90_000,
        bytes: 100,
        segment,
        offsetInSegment,
      },
    });
  const model = readLedger(
    frameEntries([
      entry(0, {
        case: "takeStart",
        value: { takeId: "t", utcUs: 1_000_000n, tracks: [{ number: 1, id: "cam", kind: TrackKind.VIDEO, timescale: 90_000 }] },
      }),
      entry(0, { case: "stretchStart", value: { track: 1, codec: "avc1.640028", width: 640, height: 360 } }),
      parcel(0, 0, 0),
      parcel(1, 0, 100),
      parcel(2, 1, 0),
      parcel(3, 1, 100),
      entry(2e6, { case: "interruption", value: { interruptionId: "p", reason: InterruptionReason.ADJOURN } }),
      entry(3e6, { case: "interruption", value: { interruptionId: "p", ends: true } }),
      entry(1e6, {
        case: "gap",
        value: { track: 1, fromUs: 1_000_000n, toUs: 2_000_000n, parts: [{ cause: GapCause.LOST_BYTES }], lostParcels: [1n, 1n, 77n] },
      }),
      entry(0, { case: "deletion", value: { track: 1, firstSequence: 2n, lastSequence: 2n ** 60n } }),
      entry(4e6, { case: "end", value: { reason: "pressed" } }),
      entry(9e6, { case: "seal", value: { sealId: "s" } }),
    ]),
  );
  const track = model.tracks[0];
  assert.ok(track);
  assert.deepEqual([model.startUtcMs, model.lengthUs, model.end?.reason, model.tracks.length], [1000, 4e6, "pressed", 1]);
  assert.deepEqual([model.interruptions[0]?.fromUs, model.interruptions[0]?.toUs], [2e6, 3e6]);
  assert.deepEqual(
    track.segments.map(({ fromTicks, toTicks, bytes, closed, lostParcels }) => [
      fromTicks,
      toTicks,
      bytes,
      closed,
      lostParcels.map(({ sequence, why }) => [sequence, why]),
    ]),
    [
      [0, 180_000, 200, true, [[1, "gap"]]],
      [
        180_000,
        360_000,
        200,
        true,
        [
          [2, "deletion"],
          [3, "deletion"],
        ],
      ],
    ],
  );
  assert.deepEqual([track.parcels, track.bytes, track.durationTicks, track.gaps.length], [1, 100, 90_000, 1]);
});
