import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { isTransient } from "@xiezhi/protos/errors.ts";
import { type Desk, RoomPhase, RoomService, SourceState } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import { demoRooms } from "../src/demo/court.ts";
import { processesOf } from "../src/demo/proc.ts";
import { holdOneHearing } from "../src/headless/hold.ts";
import { demoCourt } from "./demo-court.ts";
import { missingFrames, storedFrames } from "./stored-frames.ts";
import { partsMs, trackStories } from "./track-story.ts";

/** Each is killed once, in this order. */
const VICTIMS = [
  { name: "codec worker", program: "codec/codec.main.ts" },
  { name: "capture worker", program: "capture/worker.main.ts" },
  { name: "ingest", program: "ingest/ingest.main.ts" },
  { name: "hub main", program: "hub/src/main.ts" },
  { name: "agent", program: "edge-agent/src/main.ts" },
];
const FRAMES_A_SECOND = 25;
/** The cameras send a key frame every 2 s. */
const GOP_MS = 2_000;
/** A reconnect takes 1 s at most; end to end ten times that. */
const CONNECT_MAX_MS = 10_000;
const DEAD_MAX_MS = 10_000;
const BACK_WITHIN_MS = 40_000;
/** So much of what comes after a kill must be durable before it counts as going on. */
const GOES_ON_MS = 1_500;

function pidOf(run: string, program: string): number | undefined {
  return processesOf(run).find(({ name }) => name.includes(program))?.pid;
}

/** Looks at the room's Desk through the hub, as a page does that connects again and again, until it shows this. */
async function untilDesk(link: Link, roomId: string, shows: (desk: Desk) => boolean, what: string): Promise<void> {
  const patience = new AbortController();
  const timer = clock.after(BACK_WITHIN_MS, () => patience.abort());
  let last: Desk | undefined;
  try {
    while (!patience.signal.aborted) {
      try {
        for await (const message of clientOf(RoomService, link).watchDesk({ roomId }, { signal: patience.signal })) {
          if (message.what.case !== "desk") continue;
          last = message.what.value;
          if (shows(last)) return;
        }
      } catch (error) {
        if (!patience.signal.aborted && !isTransient(error)) throw error;
      }
      await clock.sleep(100);
    }
  } finally {
    timer.cancel();
  }
  const tracks = last?.tracks.map(({ id, source, reason, durableThroughMs }) => `${id} ${source} ${reason} ${durableThroughMs}`);
  assert.fail(
    `${what}: not within ${BACK_WITHIN_MS} ms; the Desk showed last ${last?.phase} ${last?.central?.connected} ${tracks?.join(", ")}`,
  );
}

function goesOn(takeId: string, sinceMs: number): (desk: Desk) => boolean {
  return ({ take, phase, tracks, central }) =>
    take?.takeId === takeId &&
    phase === RoomPhase.RECORDING &&
    central?.connected === true &&
    tracks.every(({ source, durableThroughMs }) => source === SourceState.RUNNING && Number(durableThroughMs) > sinceMs + GOES_ON_MS);
}

async function killEach(t: TestContext, run: string, link: Link, roomId: string, takeId: string): Promise<void> {
  for (const { name, program } of VICTIMS) {
    const pid = pidOf(run, program);
    assert.ok(pid, `${name} runs`);
    const killedMs = clock.nowMs();
    process.kill(pid, "SIGKILL");
    await untilDesk(link, roomId, goesOn(takeId, killedMs), `recording after the ${name} was killed`);
    const next = pidOf(run, program);
    assert.ok(next && next !== pid, `${name} runs again`);
    t.diagnostic(`${name}: all durable again ${clock.nowMs() - killedMs} ms after its death`);
  }
}

test("kill -9 of each process during one hearing: it goes on, and only the capture worker's death costs frames", {
  timeout: 150_000,
}, async (t) => {
  const room = demoRooms[0]!;
  const { court, home } = await demoCourt(t, [room]);
  const link = await court.signIn("clerk");
  t.after(() => link.close());
  const options = { link, clock, siteId: room.siteId, roomId: room.id, seconds: 60, withoutTracks: 0, say: () => {}, pressed: () => {} };
  const held = await holdOneHearing({ ...options, recording: (takeId) => killEach(t, court.run, link, room.id, takeId) });

  const { takeInfo } = held;
  assert.deepEqual(
    takeInfo.hearings.map(({ hearingId }) => hearingId),
    [held.hearing],
    "linked once",
  );
  const { takes } = await clientOf(TakesService, link).listTakes({ roomId: room.id });
  assert.equal(takes.length, 1);
  assert.equal(takeInfo.copies?.parcelsHeld, takeInfo.copies?.parcelsKnown);
  assert.equal(takeInfo.copies?.parcelsLost, 0n);

  const exportDir = join(home, "export");
  await exportTake({ from: storedTakeFilesIn(join(court.stateFolders.hub, "store", held.take)), to: exportDir });
  const verified = verifyExport(exportDir);
  assert.ok(verified.ok, JSON.stringify(verified.problems, null, 1));

  const { tracks, restarts } = trackStories(exportDir);
  assert.equal(restarts, 1, "the agent's");
  assert.equal(tracks.length, room.cameras.length + room.encoders.flatMap(({ microphones }) => microphones).length);
  for (const { id, kind, parcels, gaps, holes } of tracks) {
    assert.deepEqual(
      parcels.map(({ sequence }) => Number(sequence)),
      parcels.map((_, at) => at),
      `${id}: each parcel once`,
    );
    assert.deepEqual(holes, [], `${id}: nothing is missing that is not told`);
    // A camera that sends its last group of pictures to whoever connects may have given all that was missed.
    assert.ok(gaps.length <= 1 && (kind === "video" || gaps.length === 1), `${id}: only the capture worker's death is a gap`);
    const lost = gaps.map(partsMs)[0] ?? { dead: 0, connecting: 0, waitingKeyFrame: 0, other: 0 };
    assert.ok(lost.dead < DEAD_MAX_MS, `${id} dead ${lost.dead} ms`);
    assert.ok(lost.connecting < CONNECT_MAX_MS, `${id} connecting ${lost.connecting} ms`);
    assert.ok(lost.waitingKeyFrame <= (kind === "video" ? GOP_MS + 200 : 0), `${id} waited ${lost.waitingKeyFrame} ms for a key frame`);
    assert.equal(lost.other, 0, id);
    t.diagnostic(`${id}: ${JSON.stringify(lost)} ms`);
    if (kind === "audio") continue;
    const missing = missingFrames(storedFrames(exportDir, id));
    const told = ((lost.dead + lost.connecting + lost.waitingKeyFrame) / 1e3) * FRAMES_A_SECOND;
    assert.ok(missing <= told + 2, `${id} misses ${missing} frames, ${told} are told`);
    t.diagnostic(`${id}: ${missing} frames missing`);
  }
});
