import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { readIfThere } from "@xiezhi/base/files.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { demoRooms } from "../src/demo/court.ts";
import { allHeld, listHearing } from "../src/headless/hold.ts";
import { demoCourt } from "./demo-court.ts";
import { openBrowser, Person } from "./portal/browser.ts";

const siteId = "court-1";
const roomId = "courtroom-2";
/** The room comes up again, with a hub or without. */
const UP_WITHIN_MS = 30_000;
const SECONDS = 8;
/** Nobody is signed in yet, the PIN is wrong, or the clerk was signed out: whatever the page asks is refused. */
const signedOut = /status of 401/;

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadlineMs = clock.nowMs() + UP_WITHIN_MS;
  while (!(await look())) {
    assert.ok(clock.nowMs() < deadlineMs, `${what}: not within ${UP_WITHIN_MS} ms`);
    await clock.sleep(100);
  }
}

async function personAt(t: TestContext, url: string): Promise<Person> {
  const browser = await openBrowser();
  t.after(() => browser.close());
  return Person.at(browser, url);
}

test("with the hub gone a clerk holds a listed hearing at the room's own address; the hub returns and has all of it", async (t) => {
  const { court, home } = await demoCourt(
    t,
    demoRooms.filter(({ id }) => id === roomId),
  );
  const url = court.roomUrls.get(roomId) ?? "";
  const kept = (name: string) => readIfThere(join(home, "agents", roomId, name));
  const link = await court.signIn("clerk");
  const { hearingId, caseNumber } = await listHearing({ link, clock, siteId, roomId, seconds: 60 });
  link.close();
  await until("the room knows its list and its people", async () => {
    const [list, people] = await Promise.all([kept("memory/list.json"), kept("access/people.json")]);
    return Boolean(list?.includes(hearingId) && people?.includes('"clerk"'));
  });

  await court.end("hub");
  await court.end(`agent-${roomId}`);
  await court.begin(`agent-${roomId}`);
  await until("the room serves its own address", () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const clerk = await personAt(t, url);
  const { page } = clerk;
  await page.goto("/");
  await page.getByTestId("own-room").waitFor();
  await clerk.show("login-room");
  assert.deepEqual(await clerk.barriers(), []);
  await clerk.logIn("clerk", court.logins["clerk"]!);
  await page.getByTestId("failure").waitFor();
  await clerk.logIn("clerk", court.pins["clerk"]!);
  await page.getByTestId("listings").getByText(caseNumber).waitFor();
  assert.equal(await page.getByRole("navigation").locator("a").count(), 1, "only what the room can serve is offered");
  await page.getByTestId("central").and(page.locator("[data-state=away]")).waitFor();
  await page.getByTestId(`listing-${hearingId}`).check();

  await page.getByTestId("start-button").click();
  const takeId = (await page.getByTestId("running").getAttribute("data-take")) ?? "";
  await page.locator("[data-testid=light][data-colour=green]").waitFor();
  await page.keyboard.press("4");
  await page.getByTestId("marks").locator("li[data-type=evidence]").waitFor();
  await page.keyboard.press("p");
  await page.getByTestId("pause-reason").locator("input").first().check();
  await page.getByTestId("pause-decided-by").fill("审判长 张明");
  await page.getByTestId("pause-confirm").click();
  await page.getByTestId("resume").click();
  await page.locator("[data-testid=light][data-colour=green]").waitFor();
  await clerk.show("desk-room");
  await until(`${SECONDS} s are recorded`, async () => (await page.getByTestId("take-time").innerText()) >= `0:00:0${SECONDS}`);
  // It stays this page, to its last element, whatever the hub does.
  await page.evaluate(() => Object.assign(globalThis, { stillThis: true }));
  await page.getByTestId("end").hover();
  await page.mouse.down();
  await page.getByTestId("last-take").or(page.getByTestId("start-button")).waitFor();
  await page.mouse.up();

  await court.begin("hub");
  const again = await court.signIn("clerk");
  const take = await allHeld({ link: again, clock, say: (line) => t.diagnostic(line) }, takeId);
  again.close();
  assert.deepEqual([take.copies?.parcelsHeld, take.copies?.parcelsLost], [take.copies?.parcelsKnown, 0n]);
  assert.deepEqual(
    take.hearings.map((it) => it.hearingId),
    [hearingId],
  );
  const exportDir = join(home, "export");
  await exportTake({ from: storedTakeFilesIn(join(court.stateFolders.hub, "store", takeId)), to: exportDir });
  const verified = verifyExport(exportDir);
  assert.ok(verified.ok, JSON.stringify(verified.problems, null, 1));
  await page.locator("[data-testid=central][data-state=complete]").waitFor();
  assert.equal(await page.evaluate(() => (globalThis as { stillThis?: boolean }).stillThis), true);

  const auditor = await court.signIn("auditadmin");
  const audits = clientOf(AuditsService, auditor);
  const acts = async () => (await audits.listAudits({ login: "clerk", pageSize: 200 })).rows.filter((row) => row.roomId === roomId);
  await until("the audit has what was done in the room", async () => (await acts()).some(({ act }) => act === "rooms.End"));
  assert.deepEqual((await acts()).map(({ act, outcome }) => `${act} ${outcome}`).toReversed(), [
    "users.LogIn ok",
    "rooms.Start ok",
    "rooms.Mark ok",
    "rooms.Pause ok",
    "rooms.Resume ok",
    "rooms.End ok",
  ]);
  auditor.close();

  const security = await court.signIn("secadmin");
  const users = clientOf(UsersService, security);
  const found = (await users.listUsers({ search: "clerk" })).users.find(({ login }) => login === "clerk");
  await users.disableUser({ requestId: newId(), userId: found?.id ?? "" });
  security.close();
  await page.getByTestId("own-room").waitFor();
  await clerk.logIn("clerk", court.pins["clerk"]!);
  await page.getByTestId("failure").waitFor();
  assert.deepEqual(clerk.complaints(signedOut), []);
});
