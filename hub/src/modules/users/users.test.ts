import assert from "node:assert/strict";
import { test } from "node:test";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { passwordFits } from "@xiezhi/rpc/access/passwords.ts";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import { PASSWORD, refused, requestId, startCourt } from "../../testing/court.ts";
import { programCall } from "../../platform/call.ts";
import { audits } from "../audits/audits.module.ts";
import type { UsersService as Service } from "./users.service.ts";

test("log-in gives a session that ends by log-out; wrong password and unknown login are told alike", async (t) => {
  const court = await startCourt(t);
  const nobody = await court.as(undefined, UsersService);
  const { token, user } = await nobody.logIn({ login: "clerk", password: PASSWORD });
  assert.equal(user?.login, "clerk");
  assert.ok(token.length >= 43);
  const wrong = await refused(nobody.logIn({ login: "clerk", password: "wrong" }), "USERS_WRONG_PASSWORD");
  const unknown = await refused(nobody.logIn({ login: "nobody", password: "wrong" }), "USERS_WRONG_PASSWORD");
  assert.equal(wrong.message, unknown.message);
  const clerk = await court.as("clerk", UsersService);
  assert.equal((await clerk.whoAmI({})).user?.name, "clerk 的姓名");
  await clerk.logOut({});
  await refused(clerk.whoAmI({}), "RPC_SESSION_ENDED");
  await refused(nobody.whoAmI({}), "RPC_SIGN_IN_FIRST");
});

test("a page's log-in answers with no token: the browser has the cookie", async (t) => {
  const court = await startCourt(t);
  const page = clientOf(UsersService, memoryLink(court.house.rpc, court.door, { origin: "http://localhost" }));
  assert.equal((await page.logIn({ login: "clerk", password: PASSWORD })).token, "");
});

test("twenty wrong passwords are slowed and each is audited", async (t) => {
  const court = await startCourt(t, { modules: [audits] });
  const nobody = await court.as(undefined, UsersService);
  const reasons: string[] = [];
  for (let at = 0; at < 20; at += 1)
    await nobody.logIn({ login: "judge", password: `wrong ${at}` }).catch((error: { reason: string }) => reasons.push(error.reason));
  assert.deepEqual(
    reasons.slice(0, 5),
    Array.from({ length: 5 }, () => "USERS_WRONG_PASSWORD"),
  );
  assert.deepEqual(new Set(reasons.slice(5)), new Set(["SESSIONS_LOG_IN_SLOWED"]));
  await refused(nobody.logIn({ login: "judge", password: PASSWORD }), "SESSIONS_LOG_IN_SLOWED");
  const auditor = await court.as("audit", AuditsService);
  const { rows } = await auditor.listAudits({ act: "users.LogIn", pageSize: 200 });
  assert.equal(rows.filter(({ objectId, outcome }) => objectId === "judge" && outcome !== "ok").length, 21);
});

test("a session ends after 12 h, after 30 idle minutes, but not idle while the user's hearing runs", async (t) => {
  const court = await startCourt(t);
  const clerk = await court.as("clerk", UsersService);
  const pass = (ms: number) => {
    court.clock.stepUtcMs(ms);
    return court.clock.advanceMs(2_000);
  };
  await pass(29 * 60_000);
  await clerk.whoAmI({});
  await pass(31 * 60_000);
  await refused(clerk.whoAmI({}), "RPC_SESSION_ENDED");
  let running = true;
  court.house.platform.sessions.busy = () => running;
  const judge = await court.as("judge", UsersService);
  await pass(3 * 3_600_000);
  await judge.whoAmI({});
  running = false;
  await pass(29 * 60_000);
  await judge.whoAmI({});
  running = true;
  await pass(9 * 3_600_000);
  await refused(judge.whoAmI({}), "RPC_SESSION_ENDED");
});

test("a session that runs out ends what hangs on it within 2 s", async (t) => {
  const court = await startCourt(t);
  const session = court.house.platform.sessions.find(await court.token("clerk"));
  let ended = 0;
  court.house.platform.sessions.onEnded(session?.id ?? "", () => (ended += 1));
  court.clock.stepUtcMs(30 * 60_000 - 2_000);
  await court.clock.advanceMs(1_000);
  assert.equal(ended, 0);
  await court.clock.advanceMs(2_000);
  assert.equal(ended, 1);
});

test("a disabled user is out at once and can't come back; the account of another court is not found", async (t) => {
  const court = await startCourt(t);
  const clerk = await court.as("clerk", UsersService);
  const other = await court.as("clerk-2", UsersService);
  const { user } = await clerk.whoAmI({});
  const foreign = (await other.whoAmI({})).user?.id ?? "";
  const system = await court.as("system", UsersService);
  const answer = await system.disableUser({ requestId: requestId(), userId: user?.id ?? "" });
  assert.equal(answer.user?.disabled, true);
  await refused(clerk.whoAmI({}), "RPC_SESSION_ENDED");
  await refused((await court.as(undefined, UsersService)).logIn({ login: "clerk", password: PASSWORD }), "USERS_WRONG_PASSWORD");
  const unknown = "00000000-0000-4000-8000-00000000ffff";
  const one = await refused(system.disableUser({ requestId: requestId(), userId: foreign }), "USERS_NOT_FOUND");
  const two = await refused(system.disableUser({ requestId: requestId(), userId: unknown }), "USERS_NOT_FOUND");
  assert.equal(one.message, two.message);
});

test("a repeated request id changes nothing and hears the same answer; for another request it is refused", async (t) => {
  const court = await startCourt(t);
  const system = await court.as("system", UsersService);
  const request = {
    requestId: requestId(),
    login: "newcomer",
    name: "新人",
    password: PASSWORD,
    roles: [{ role: Role.CLERK, siteId: "court-1" }],
  };
  const first = await system.createUser(request);
  const again = await system.createUser(request);
  assert.equal(again.user?.id, first.user?.id);
  await refused(system.createUser({ ...request, login: "somebody" }), "REQUESTS_ID_REUSED");
  await refused(system.createUser({ ...request, requestId: requestId() }), "USERS_LOGIN_TAKEN");
  court.clock.stepUtcMs(25 * 3_600_000);
  court.signOut("system");
  const later = await court.as("system", UsersService);
  await refused(later.createUser(request), "USERS_LOGIN_TAKEN");
});

test("administrators exclude each other, are made by the security administrator, and nobody acts on himself", async (t) => {
  const court = await startCourt(t);
  const system = await court.as("system", UsersService);
  const security = await court.as("security", UsersService);
  const make = (login: string, role: Role, siteId = "court-1") =>
    system.createUser({ requestId: requestId(), login, name: login, password: PASSWORD, roles: [{ role, siteId }] });
  await refused(make("second-audit", Role.AUDIT_ADMINISTRATOR), "USERS_ADMINISTRATOR_ROLE");
  await refused(make("far-clerk", Role.CLERK, "court-2"), "RIGHTS_ROLE_NEEDED");
  const { user } = await make("candidate", Role.CLERK);
  const set = (userId: string, ...roles: Role[]) =>
    security.setRoles({ requestId: requestId(), userId, roles: roles.map((role) => ({ role, siteId: "court-1" })) });
  const userId = user?.id ?? "";
  assert.deepEqual(
    (await set(userId, Role.JUDGE, Role.AUDIT_ADMINISTRATOR)).user?.roles.map(({ role }) => role),
    [Role.JUDGE, Role.AUDIT_ADMINISTRATOR],
  );
  await refused(set(userId, Role.SYSTEM_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR), "USERS_ADMINISTRATORS_EXCLUDE");
  await refused(set((await security.whoAmI({})).user?.id ?? "", Role.CLERK), "USERS_NOT_ON_ONESELF");
  const clerk = await court.as("clerk", UsersService);
  const error = await refused(clerk.listUsers({}), "RIGHTS_ROLE_NEEDED");
  assert.equal(error.code, "PERMISSION_DENIED");
  assert.match(error.zh, /系统管理员/);
});

test("who loses a role signs in again; a reset password works and the old one does not", async (t) => {
  const court = await startCourt(t);
  const { clerk, security } = { clerk: await court.as("clerk", UsersService), security: await court.as("security", UsersService) };
  const userId = (await clerk.whoAmI({})).user?.id ?? "";
  await security.setRoles({ requestId: requestId(), userId, roles: [{ role: Role.JUDGE, siteId: "court-1" }] });
  await refused(clerk.whoAmI({}), "RPC_SESSION_ENDED");
  const service = court.house.api<Service>("users");
  await service.resetPassword(programCall("users.Reset"), "clerk", "another long password");
  const nobody = await court.as(undefined, UsersService);
  await refused(nobody.logIn({ login: "clerk", password: PASSWORD }), "USERS_WRONG_PASSWORD");
  assert.ok((await nobody.logIn({ login: "clerk", password: "another long password" })).token);
});

test("lists page without repeating or skipping", async (t) => {
  const court = await startCourt(t);
  const system = await court.as("system", UsersService);
  const seen: string[] = [];
  for (let pageToken = ""; ; ) {
    const { users: page, nextPageToken } = await system.listUsers({ pageSize: 2, pageToken });
    seen.push(...page.map(({ login }) => login));
    if (nextPageToken === "") break;
    pageToken = nextPageToken;
  }
  assert.deepEqual(seen, ["archivist", "audit", "clerk", "judge", "operator", "other-clerk", "security", "system", "technician"]);
  const found = async (search: string) => (await system.listUsers({ search })).users.map(({ login }) => login);
  assert.deepEqual(await found("JUD"), ["judge"]);
  assert.deepEqual(await found("judge 的姓"), ["judge"]);
  assert.deepEqual(await found("%"), []);
  await refused(system.listUsers({ pageToken: "\u0000" }), "PAGES_TOKEN");
  const error = await refused(system.listUsers({ pageSize: 1_000 }), "RPC_INVALID_FIELD");
  assert.equal(error.details.field, "page_size");
});

test("a PIN is set by oneself with the password, or by who makes accounts; an easy one is refused, and nothing of it is kept but a verifier", async (t) => {
  const court = await startCourt(t);
  const service = court.house.api<Service>("users");
  const clerk = await court.as("clerk", UsersService);
  const pin = "402913";
  await refused(clerk.setPin({ requestId: requestId(), password: "wrong", pin }), "USERS_WRONG_PASSWORD");
  await refused(clerk.setPin({ requestId: requestId(), password: PASSWORD, pin: "12345" }), "RPC_INVALID_FIELD");
  for (const easy of ["777777", "345678", "9876543"])
    await refused(clerk.setPin({ requestId: requestId(), password: PASSWORD, pin: easy }), "USERS_GUESSABLE_PIN");
  assert.deepEqual(service.withPinAt("court-1"), []);
  assert.equal((await clerk.setPin({ requestId: requestId(), password: PASSWORD, pin })).user?.hasPin, true);
  const [given] = service.withPinAt("court-1");
  assert.equal(given?.user.login, "clerk");
  assert.match(given?.pinVerifier ?? "", /^\$argon2id\$/);
  assert.ok(await passwordFits(pin, given?.pinVerifier));
  const userId = given?.user.id ?? "";
  const reset = { requestId: requestId(), userId, pin: "550172" };
  for (const login of ["clerk", "security"]) await refused((await court.as(login, UsersService)).resetPin(reset), "RIGHTS_ROLE_NEEDED");
  const beforeMs = court.clock.nowMs() - 1;
  await (await court.as("system", UsersService)).resetPin(reset);
  assert.ok(!(await passwordFits(pin, service.withPinAt("court-1")[0]?.pinVerifier)));
  assert.deepEqual([service.narrowedBy(userId, beforeMs), service.narrowedBy(userId, court.clock.nowMs())], [false, true]);
  await (await court.as("security", UsersService)).disableUser({ requestId: requestId(), userId });
  assert.deepEqual(service.withPinAt("court-1"), [], "who is disabled may not sign in at a room");
});
