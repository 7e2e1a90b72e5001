import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, type DescService } from "@bufbuild/protobuf";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { isXiezhiError, type XiezhiError } from "@xiezhi/protos/errors.ts";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { RoomSchema, SiteKind, SiteSchema } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { type Client, clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import type { Door } from "@xiezhi/rpc/service.ts";
import type { SitesService } from "../modules/sites/sites.service.ts";
import { sites } from "../modules/sites/sites.module.ts";
import { users } from "../modules/users/users.module.ts";
import type { UsersService } from "../modules/users/users.service.ts";
import { programCall } from "../platform/call.ts";
import { createDoor } from "../platform/door.ts";
import { type AnyModule, buildHouse, type House } from "../platform/platform.ts";
import { hashPassword } from "@xiezhi/rpc/access/passwords.ts";
import { MARIADB_SOCKET, newMariaDb } from "./mariadb.ts";

/** The password of everybody in a test court; hashed once a process. */
export const PASSWORD = "a long test password";
let verifier: Promise<string> | undefined;

/** `<role>` works at court-1 (粤0304), `<role>-2` at court-2 (粤0305); `officer` at detention-1. */
const people: readonly (readonly [login: string, role: Role, siteId: string])[] = [
  ["clerk", Role.CLERK, "court-1"],
  ["other-clerk", Role.CLERK, "court-1"],
  ["judge", Role.JUDGE, "court-1"],
  ["technician", Role.TECHNICIAN, "court-1"],
  ["operator", Role.OPERATOR, "court-1"],
  ["archivist", Role.ARCHIVIST, "court-1"],
  ["system", Role.SYSTEM_ADMINISTRATOR, "court-1"],
  ["security", Role.SECURITY_ADMINISTRATOR, "court-1"],
  ["audit", Role.AUDIT_ADMINISTRATOR, "court-1"],
  ["clerk-2", Role.CLERK, "court-2"],
  ["officer", Role.DETENTION_OFFICER, "detention-1"],
];

export interface Court {
  house: House;
  door: Door;
  clock: SimulatedClock;
  folder: string;
  /** A client of the service, signed in as this person, or as nobody. */
  as<S extends DescService>(login: string | undefined, service: S): Promise<Client<S>>;
  token(login: string): Promise<string>;
  /** The next `as` of this person logs in anew. */
  signOut(login: string): void;
}

/** Every module's tests run once on each database. */
const onMariaDb = process.env[MARIADB_SOCKET] !== undefined;

/** A hub with these modules on a temporary database and a simulated clock, reached through the in-memory transport. */
export async function startCourt(t: TestContext, options: { modules?: readonly AnyModule[]; databaseUrl?: string } = {}): Promise<Court> {
  const folder = await mkdtemp(join(tmpdir(), "xz-court-"));
  const clock = new SimulatedClock();
  const modules = [sites, users, ...(options.modules ?? [])];
  const settled = options.databaseUrl === undefined && !onMariaDb;
  const file = join(folder, "hub.db");
  if (settled) await copyFile(await settledDatabase(modules), file);
  const databaseUrl = options.databaseUrl ?? (onMariaDb ? await newMariaDb() : `sqlite:${file}`);
  const house = await buildHouse({ databaseUrl, clock, log: silentLog, modules });
  t.after(async () => {
    await house.close();
    await rm(folder, { recursive: true, force: true });
  });
  if (!settled) await settle(house);
  const userService = house.api<UsersService>("users");
  const door = createDoor(house.platform, (session) => userService.callerOf(session), silentLog);
  const tokens = new Map<string, string>();
  const token = async (login: string): Promise<string> => {
    const known = tokens.get(login);
    if (known !== undefined) return known;
    const { token: made } = await userService.logIn({ ...programCall("users.LogIn"), from: "test" }, login, PASSWORD);
    tokens.set(login, made);
    return made;
  };
  return {
    house,
    door,
    clock,
    folder,
    token,
    signOut: (login) => void tokens.delete(login),
    as: async (login, service) => clientOf(service, memoryLink(house.rpc, door, login === undefined ? {} : { bearer: await token(login) })),
  };
}

const settledDatabases = new Map<string, Promise<string>>();

/** A database with everybody in it, made once a process for each list of modules: making it is most of a court's start. */
function settledDatabase(modules: readonly AnyModule[]): Promise<string> {
  const key = modules.map(({ name }) => name).join();
  const made = settledDatabases.get(key) ?? makeSettledDatabase(modules);
  settledDatabases.set(key, made);
  return made;
}

async function makeSettledDatabase(modules: readonly AnyModule[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xz-settled-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "settled.db");
  // Their tables only: what they do by themselves belongs to the court that is under test.
  const tables = modules.map((module) =>
    module === sites || module === users ? module : { ...module, start: () => ({ api: {}, rpc: [] }) },
  );
  const databaseUrl = `sqlite:${join(folder, "hub.db")}`;
  const house = await buildHouse({ databaseUrl, clock: new SimulatedClock(), log: silentLog, modules: tables });
  await settle(house);
  // Not a copy of the file: Sequelize does not wait for the connections of its transactions to close, and a part may be in the log still.
  await house.platform.database.sequelize.query("VACUUM INTO $file", { bind: { file } });
  await house.close();
  return file;
}

async function settle(house: House): Promise<void> {
  const siteService = house.api<SitesService>("sites");
  const call = programCall("test");
  const { COURT, DETENTION_CENTRE } = SiteKind;
  await siteService.saveSite(call, create(SiteSchema, { id: "court-1", kind: COURT, name: "福田区人民法院", courtCode: "粤0304" }));
  await siteService.saveSite(call, create(SiteSchema, { id: "court-2", kind: COURT, name: "南山区人民法院", courtCode: "粤0305" }));
  await siteService.saveSite(call, create(SiteSchema, { id: "detention-1", kind: DETENTION_CENTRE, name: "看守所" }));
  for (const [id, siteId] of [
    ["courtroom-1", "court-1"],
    ["courtroom-2", "court-1"],
    ["courtroom-9", "court-2"],
    ["interrogation-1", "detention-1"],
  ] as const)
    await siteService.rememberRoom(create(RoomSchema, { id, siteId, nameZh: id, nameEn: id }), siteId);
  verifier ??= hashPassword(PASSWORD);
  const password = { verifier: await verifier };
  for (const [login, role, siteId] of people)
    await house.api<UsersService>("users").create(call, { login, name: `${login} 的姓名`, password, roles: [{ role, siteId }] });
}

/** The call is refused with this stable reason. */
export async function refused(call: Promise<unknown>, reason: string): Promise<XiezhiError> {
  try {
    await call;
  } catch (error) {
    if (!isXiezhiError(error)) throw error;
    assert.equal(error.reason, reason, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `not refused, expected ${reason}` });
}

/** A test of what a statute says: its name begins with the article. */
export function law(article: string, what: string, fn: (t: TestContext) => void | Promise<void>): void {
  void test(`${article}: ${what}`, fn);
}

let requests = 0;
/** A fresh request id. */
export function requestId(): string {
  requests += 1;
  return `00000000-0000-4000-8000-${String(requests).padStart(12, "0")}`;
}
