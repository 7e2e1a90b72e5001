import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { demoRooms } from "../src/demo/court.ts";
import { demoCourt } from "./demo-court.ts";
import { SmallDisk } from "./small-disk.ts";
import { holdWhole, untilDurable } from "./whole-hearing.ts";

const room = demoRooms[1]!;
/** Ingest keeps 256 MiB of its disk free; the rest is for this hearing. */
const DISK_MEGABYTES = 448;
const ALARM_WITHIN_MS = 5_000;
const LOOK_EACH_MS = 100;
/** So long the disk stays full after its alarm. */
const FULL_MS = 3_000;

function alarms(home: string): number {
  return readFileSync(join(home, "logs/hub.log"), "utf8").split('"alarm":"STORE_TROUBLE"').length - 1;
}

test("all that the hub writes to is full: an alarm, the room's spool keeps it, and uploads resume by themselves", {
  timeout: 100_000,
}, async (t) => {
  const disk = SmallDisk.mount(DISK_MEGABYTES);
  if (typeof disk === "string") return t.skip(disk);
  try {
    await t.test("a hearing goes on", async (t) => {
      const { court, home } = await demoCourt(t, [room], disk.folder);
      const link = await court.signIn("clerk");
      t.after(() => link.close());
      const scene = { court, home, room, link };
      await holdWhole(scene, async () => {
        const known = alarms(home);
        const fullMs = clock.nowMs();
        disk.fill();
        while (alarms(home) === known) {
          assert.ok(clock.nowMs() - fullMs < ALARM_WITHIN_MS, `no alarm ${ALARM_WITHIN_MS} ms after the disk was full`);
          await clock.sleep(LOOK_EACH_MS);
        }
        t.diagnostic(`alarm after ${clock.nowMs() - fullMs} ms`);
        await untilDurable(scene, FULL_MS);
        assert.equal(disk.freeBytes(), 0, "full all the time");
        disk.free();
      });
    });
  } finally {
    disk.unmount();
  }
});
