import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { type Alarm, AlarmReason, AlarmsService } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import { demoRooms } from "../src/demo/court.ts";
import { demoCourt } from "./demo-court.ts";
import { SmallDisk } from "./small-disk.ts";
import { holdWhole, untilDurable } from "./whole-hearing.ts";

const room = demoRooms[1]!;
/** Ingest keeps 256 MiB of its disk free; the rest is for this hearing. */
const DISK_MEGABYTES = 448;
/** How long any machine may take to show it; that the store finds out within 5 s is its own test's. */
const SHOWN_WITHIN_MS = 30_000;
/** So long the disk stays full after its alarm. */
const FULL_MS = 3_000;

/** Resolves when a Desk that is opened now shows alarms of the hub and this room as wanted. */
async function untilStanding(link: Link, wanted: string, holds: (standing: Alarm[]) => boolean): Promise<void> {
  const patience = new AbortController();
  const timer = clock.after(SHOWN_WITHIN_MS, () => patience.abort());
  try {
    for await (const { alarms } of clientOf(AlarmsService, link).watchAlarms({ roomId: room.id }, { signal: patience.signal }))
      if (holds(alarms)) return;
  } catch (error) {
    if (!patience.signal.aborted) throw error;
  } finally {
    timer.cancel();
  }
  assert.fail(`${wanted} is not shown within ${SHOWN_WITHIN_MS} ms`);
}

const none = (standing: Alarm[]) => standing.length === 0;
const full = (standing: Alarm[]) => standing.some(({ reason }) => reason === AlarmReason.STORE_TROUBLE);

test("all that the hub writes to is full: an alarm, the room's spool keeps it, and uploads resume by themselves", {
  timeout: 170_000,
}, async (t) => {
  const disk = SmallDisk.mount(DISK_MEGABYTES);
  if (typeof disk === "string") return t.skip(disk);
  try {
    await t.test("a hearing goes on", async (t) => {
      const { court, home } = await demoCourt(t, [room], { hubFolder: disk.folder });
      const link = await court.signIn("clerk");
      t.after(() => link.close());
      const scene = { court, home, room, link };
      await holdWhole(scene, async () => {
        await untilStanding(link, "no alarm", none);
        const fullMs = clock.nowMs();
        disk.fill();
        await untilStanding(link, "the full disk", full);
        t.diagnostic(`alarm after ${clock.nowMs() - fullMs} ms`);
        assert.match(readFileSync(join(home, "logs/hub.log"), "utf8"), /"alarm":"STORE_TROUBLE"/);
        await untilDurable(scene, FULL_MS);
        await untilStanding(link, "the disk, still full,", full);
        disk.free();
        await untilStanding(link, "no alarm", none);
      });
    });
  } finally {
    disk.unmount();
  }
});
