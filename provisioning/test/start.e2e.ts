import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { type Take, TakesService, TakeState } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { homeFolder } from "../src/demo/home.ts";
import { JsonDoor } from "./start/json-door.ts";
import { Terminal } from "./start/terminal.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const roomId = "courtroom-1";
/** Set-up has been done, so this is patience, not a bar: `npm run bench` measures the start. */
const UP_WITHIN_MS = 60_000;
const WITHIN_MS = 30_000;
/** Of a command that Ctrl-C has ended: it closed in good order, or the signal that npm repeats came when it was about to exit. */
const INTERRUPTED = [0, 130];

/** An empty home but for the demo's clips; gone with the test. */
async function newHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "xz-start-"));
  await symlink(join(homeFolder(), "clips"), join(home, "clips"));
  t.after(() => rm(home, { recursive: true, force: true }));
  return home;
}

/** `npm start` as a newcomer types it; whatever it has started is ended with the test. */
function npmStart(t: TestContext, home: string, ...words: string[]): Terminal {
  const terminal = new Terminal(["npm", "--prefix", repository, "start", ...words].join(" "), { XIEZHI_HOME: home });
  t.after(() => {
    terminal.close();
    for (const { pid } of processesOfHome(home)) process.kill(pid, "SIGKILL");
  });
  return terminal;
}

async function up(terminal: Terminal): Promise<{ portal: string; logins: Record<string, string> }> {
  await terminal.shows(/Ctrl-C ends all of it/, UP_WITHIN_MS);
  const portal = /http:\/\/localhost:\d+/.exec(terminal.screen)?.[0] ?? "";
  const logins = [...terminal.screen.matchAll(/^ {2}(\w+) +((?:[a-z2-9]{4}-){3}[a-z2-9]{4}) /gm)].map(([, login, password]) => [
    login,
    password,
  ]);
  return { portal, logins: Object.fromEntries(logins) };
}

/** All that was started with this home, by its environment; zombies have none. */
function processesOfHome(home: string): { pid: number; command: string }[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`XIEZHI_HOME=${home}`)) return [];
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") }];
    } catch {
      return []; // it has ended while we looked, or is somebody else's
    }
  });
}

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

test("Ctrl-C while it starts ends what has begun by then", { timeout: 150_000 }, async (t) => {
  const home = await newHome(t);
  const terminal = npmStart(t, home);
  const begun = () => processesOfHome(home).some(({ command }) => command.includes("hub/src/main.ts"));
  for (const deadlineMs = clock.nowMs() + UP_WITHIN_MS; !begun(); await clock.sleep(10)) assert.ok(clock.nowMs() < deadlineMs);
  terminal.typeControlC();
  assert.equal(await terminal.exitCode(), 0, terminal.screen);
  assert.deepEqual(processesOfHome(home), []);
});
