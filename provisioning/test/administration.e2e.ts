import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createLog } from "@xiezhi/base/log.ts";
import type { Browser } from "playwright-core";
import { homeFolder } from "../src/demo/home.ts";
import { RunningCourt } from "../src/demo/running-court.ts";
import { openBrowser, Person } from "./portal/browser.ts";

/** Each new person's page asks once who is signed in. */
const notSignedIn = /status of 401.*UsersService\/WhoAmI/;

let court: RunningCourt;
let browser: Browser;
let home: string;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "xiezhi-administration-"));
  await mkdir(join(home, "logs"));
  const log = createLog("administration-e2e", { file: join(home, "logs", "test.log") });
  [court, browser] = await Promise.all([RunningCourt.start({ home, clips: join(homeFolder(), "clips"), rooms: [], log }), openBrowser()]);
});

after(async () => {
  await browser?.close();
  await court?.close();
  if (home) await rm(home, { recursive: true, force: true });
});

test("a system administrator makes a user, who gets a role from the security administrator; the audit tells both", async () => {
  const making = await Person.at(browser, court.portalUrl);
  await making.logIn("sysadmin", court.logins["sysadmin"]!);
  await making.page.getByTestId("user-create").click();
  await making.page.getByTestId("user-login").fill("newcomer");
  await making.page.getByTestId("user-name").fill("新书记员");
  await making.page.getByTestId("user-password").fill("correct-horse-9");
  await making.page.getByTestId("user-save").click();
  await making.page.getByTestId("user-newcomer").waitFor();
  assert.equal(await making.page.getByTestId("roles-newcomer").count(), 0, "who makes accounts gives no rights");
  assert.deepEqual(await making.barriers(), []);
  await making.show("users");

  const giving = await Person.at(browser, court.portalUrl);
  await giving.logIn("secadmin", court.logins["secadmin"]!);
  await giving.page.getByTestId("roles-newcomer").click();
  await giving.page.getByTestId("role-add").click();
  await giving.page.getByTestId("role-0").click();
  await giving.page.getByTitle("书记员", { exact: true }).click();
  await giving.page.getByTestId("user-save").click();
  await giving.page.locator("tr", { hasText: "newcomer" }).getByText("书记员").waitFor();

  const reading = await Person.at(browser, court.portalUrl);
  await reading.logIn("auditadmin", court.logins["auditadmin"]!);
  const table = reading.page.getByTestId("audit-table");
  await table.getByText("users.SetRoles").waitFor();
  assert.deepEqual(await reading.barriers(), []);
  await reading.show("audits");
  await reading.page.getByTestId("audit-login").fill("sysadmin");
  await table.getByText("users.SetRoles").waitFor({ state: "detached" });
  await table.getByText("users.CreateUser").waitFor();
  for (const person of [making, giving, reading]) {
    assert.deepEqual(person.complaints(notSignedIn), []);
    await person.close();
  }
});
