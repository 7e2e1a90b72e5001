import assert from "node:assert/strict";
import test from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DeskSchema, type DeskTrackSchema, RoomPhase } from "../gen/xiezhi/rooms/v1/rooms_pb.js";
import { light } from "./light.ts";

const now = 1_800_000_000_000;

function desk(phase: RoomPhase, tracks: MessageInitShape<typeof DeskTrackSchema>[], spoolHoursLeft = 100) {
  return create(DeskSchema, {
    roomId: "courtroom-1",
    phase,
    provenAtMs: BigInt(now),
    spoolHoursLeft,
    take: { startedAtMs: BigInt(now - 60_000) },
    tracks,
  });
}
const track = (id: string, durableAgoMs: number | undefined, expected = true): MessageInitShape<typeof DeskTrackSchema> => ({
  id,
  expected,
  durableThroughMs: durableAgoMs === undefined ? 0n : BigInt(now - durableAgoMs),
});

test("green only when every expected track was durable at most 3 s before the room spoke, heard at most 3 s ago", () => {
  const good = desk(RoomPhase.RECORDING, [track("cam-judge", 3_000), track("mic-clerk", 500), track("cam-spare", undefined, false)]);
  assert.deepEqual([light(good, 0).colour, light(good, 3_000).colour], ["green", "green"]);
  assert.equal(light(good, 0).shape, "disc");
});

test("silence alone turns it amber: nothing is known", () => {
  const good = desk(RoomPhase.RECORDING, [track("cam-judge", 0)]);
  assert.equal(light(good, 3_001).reason, "unknown");
  assert.equal(light(good, 3_001).colour, "amber");
  assert.equal(light(undefined, 0).reason, "unknown");
});

test("one track late is amber and named, with the time up to which it is durable", () => {
  const seen = light(desk(RoomPhase.RECORDING, [track("cam-judge", 3_001), track("mic-clerk", 100)]), 0);
  assert.equal(seen.colour, "amber");
  assert.deepEqual(
    seen.troubled.map((it) => [it.track.id, it.sinceMs]),
    [["cam-judge", now - 3_001]],
  );
});

test("a track that never became durable is troubled since the take began", () => {
  const seen = light(desk(RoomPhase.RECORDING, [track("cam-judge", undefined), track("mic-clerk", 100)]), 0);
  assert.equal(seen.troubled[0]?.sinceMs, now - 60_000);
});

test("red 未录制 when the room is idle, and when it claims to record but nothing is durable", () => {
  for (const phase of [RoomPhase.COLD, RoomPhase.WARM]) {
    const seen = light(desk(phase, []), 0);
    assert.deepEqual([seen.colour, seen.zh, seen.shape], ["red", "未录制", "square"]);
  }
  const stuck = light(desk(RoomPhase.RECORDING, [track("cam-judge", 9_000), track("mic-clerk", undefined)]), 0);
  assert.deepEqual([stuck.colour, stuck.troubled.length], ["red", 2]);
  assert.equal(light(desk(RoomPhase.RECORDING, []), 0).colour, "red");
});

test("starting is pending and names what is not durable yet; paused is blue whatever the tracks do", () => {
  const starting = light(desk(RoomPhase.STARTING, [track("cam-judge", undefined), track("mic-clerk", 100)]), 0);
  assert.deepEqual([starting.colour, starting.troubled.map((it) => it.track.id)], ["amber", ["cam-judge"]]);
  const paused = light(desk(RoomPhase.PAUSED, [track("cam-judge", 60_000)]), 0);
  assert.deepEqual([paused.colour, paused.shape], ["blue", "bars"]);
});

test("a spool with less than 2 hours left warns; one whose reserve is not told does not", () => {
  assert.equal(light(desk(RoomPhase.RECORDING, [track("cam-judge", 0)], 1.9), 0).reason, "spoolLow");
  assert.equal(light(desk(RoomPhase.RECORDING, [track("cam-judge", 0)], 0), 0).reason, "recording");
});

test("shape alone tells the colours apart", () => {
  const shapes = [RoomPhase.WARM, RoomPhase.RECORDING, RoomPhase.PAUSED, RoomPhase.STARTING].map(
    (phase) => light(desk(phase, [track("a", 0)]), 0).shape,
  );
  assert.equal(new Set(shapes).size, 4);
});
