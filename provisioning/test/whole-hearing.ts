import assert from "node:assert/strict";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { type Desk, RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import type { DemoRoom } from "../src/demo/court.ts";
import type { RunningCourt } from "../src/demo/running-court.ts";
import { holdOneHearing } from "../src/headless/hold.ts";
import { missingFrames, storedFrames } from "./stored-frames.ts";
import { trackStories } from "./track-story.ts";

const SHOWN_WITHIN_MS = 45_000;

export interface Scene {
  court: RunningCourt;
  home: string;
  room: DemoRoom;
  /** As the clerk. */
  link: Link;
  /** A track whose camera is kept from sending: all that it misses must be told as gaps. */
  attacked?: string;
}

/** Holds one hearing while something happens; a frame that is missing, a gap or a flaw of what the hub has stored fails the test. */
export async function holdWhole({ court, home, room, link, attacked }: Scene, happens: () => Promise<void>): Promise<void> {
  const options = { link, clock, siteId: room.siteId, roomId: room.id, seconds: 60, withoutTracks: 0, say: () => {}, pressed: () => {} };
  const { take, takeInfo } = await holdOneHearing({ ...options, recording: happens });
  assert.equal(takeInfo.copies?.parcelsHeld, takeInfo.copies?.parcelsKnown);
  assert.equal(takeInfo.copies?.parcelsLost, 0n);
  const exportDir = join(home, "export");
  await exportTake({ from: storedTakeFilesIn(join(court.stateFolders.hub, "store", take)), to: exportDir });
  const verified = verifyExport(exportDir);
  assert.ok(verified.ok, JSON.stringify(verified.problems, null, 1));
  for (const { id, kind, parcels, gaps, holes } of trackStories(exportDir).tracks) {
    assert.ok(parcels.length > 0, id);
    assert.deepEqual(holes, [], id);
    if (id === attacked) continue;
    assert.deepEqual(gaps, [], id);
    if (kind === "video") assert.equal(missingFrames(storedFrames(exportDir, id)), 0, id);
  }
}

/** Resolves when the room's Desk shows that every track is durable for so long from now on. */
export async function untilDurable({ link, room }: Scene, ms: number): Promise<void> {
  const fromMs = clock.nowMs();
  const durable = ({ tracks }: Desk) => tracks.every(({ durableThroughMs }) => Number(durableThroughMs) > fromMs + ms);
  const patience = new AbortController();
  const timer = clock.after(SHOWN_WITHIN_MS, () => patience.abort());
  try {
    for await (const { what } of clientOf(RoomService, link).watchDesk({ roomId: room.id }, { signal: patience.signal }))
      if (what.case === "desk" && durable(what.value)) return;
  } catch (error) {
    if (!patience.signal.aborted) throw error;
  } finally {
    timer.cancel();
  }
  assert.fail(`${ms} ms more are not durable in the room within ${SHOWN_WITHIN_MS} ms`);
}
