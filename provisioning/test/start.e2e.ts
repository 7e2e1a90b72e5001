import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { type Take, TakesService, TakeState } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { JsonDoor } from "./start/json-door.ts";
import { INTERRUPTED, newHome, npmStart, processesOfHome, up } from "./start/npm-start.ts";

const roomId = "courtroom-1";
const WITHIN_MS = 30_000;

/** What the programs of the demo found wrong: warnings and errors in its log. */
async function complaints(home: string, log: string): Promise<string[]> {
  const lines = (await readFile(join(home, "logs", log), "utf8")).trim().split("\n");
  return lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 40);
}

async function loggedIn(portal: string, login: string, password: string | undefined): Promise<JsonDoor> {
  const door = new JsonDoor(portal);
  const { user } = await door.call(UsersService.method.logIn, { login, password: password ?? "" });
  assert.equal(user?.login, login);
  return door;
}

async function untilTake(door: JsonDoor, takeId: string, what: string, enough: (take: Take) => boolean): Promise<Take> {
  for (const deadlineMs = clock.nowMs() + WITHIN_MS; ; await clock.sleep(100)) {
    const { take } = await door.call(TakesService.method.getTake, { takeId });
    if (take && enough(take)) return take;
    assert.ok(
      clock.nowMs() < deadlineMs,
      `${what}: not within ${WITHIN_MS} ms; seen last: ${take?.state} ${JSON.stringify(take?.copies, text)}`,
    );
  }
}

/** The portal answers before the rooms have dialled in. */
async function whenRoomIsThere<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadlineMs = clock.nowMs() + WITHIN_MS; ; await clock.sleep(100)) {
    try {
      return await ask();
    } catch (error) {
      if (!String(error).includes("ROOMS_AWAY") || clock.nowMs() > deadlineMs) throw error;
    }
  }
}

const text = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

test("Ctrl-C in mid-hearing ends every process; the next start has the same address and logins and loses nothing", {
  timeout: 300_000,
}, async (t) => {
  const home = await newHome(t);
  const first = npmStart(t, home);
  const { portal, logins } = await up(first);
  const ports = await readFile(join(home, "ports.json"), "utf8");
  const clerk = await loggedIn(portal, "clerk", logins["clerk"]);
  const start = () => clerk.stream(RoomService.method.start, { requestId: newId(), roomId, title: "王小明诉李建国" });
  const takeId = (await whenRoomIsThere(start)).flatMap(({ what }) => (what.case === "started" ? [what.value.takeId] : []))[0] ?? "";
  const before = await untilTake(clerk, takeId, "the hub has some of it", ({ copies }) => (copies?.parcelsHeld ?? 0n) > 0n);

  first.typeControlC();
  assert.ok(INTERRUPTED.includes(await first.exitCode()), first.screen);
  assert.deepEqual(processesOfHome(home), []);
  assert.deepEqual(await complaints(home, "demo.log"), [], "each process ended when it was told to, after those that need it");

  const second = npmStart(t, home);
  const again = await up(second);
  assert.deepEqual(again, { portal, logins });
  assert.equal(await readFile(join(home, "ports.json"), "utf8"), ports);
  assert.equal((await clerk.call(UsersService.method.whoAmI, {})).user?.login, "clerk", "the page of before is still logged in");
  await loggedIn(portal, "judge", again.logins["judge"]);

  // A hearing belongs to its room: the take goes on until somebody ends it, and what was not recorded meanwhile is told.
  const onWithIt = await untilTake(clerk, takeId, "it goes on", (take) => take.lengthUs > before.lengthUs && take.gaps.length > 0);
  assert.equal(onWithIt.state, TakeState.RECORDING);
  await whenRoomIsThere(() => clerk.call(RoomService.method.end, { requestId: newId(), roomId, takeId }));
  const whole = await untilTake(
    clerk,
    takeId,
    "the hub holds it, twice",
    ({ state, copies }) =>
      state === TakeState.ENDED && copies?.parcelsHeld === copies?.parcelsKnown && copies?.segmentsTwice === copies?.segmentsFinished,
  );
  assert.equal(whole.copies?.parcelsLost, 0n);
  assert.ok(whole.copies.parcelsKnown >= before.copies!.parcelsKnown);
  const exported = join(home, "export");
  await exportTake({ from: storedTakeFilesIn(join(home, "hub", "store", takeId)), to: exported });
  const verified = verifyExport(exported);
  assert.ok(verified.ok, JSON.stringify(verified.problems, null, 1));

  second.typeControlC();
  assert.ok(INTERRUPTED.includes(await second.exitCode()), second.screen);
  assert.deepEqual(processesOfHome(home), []);
  assert.ok((await readdir(home)).includes("hub"));
});
