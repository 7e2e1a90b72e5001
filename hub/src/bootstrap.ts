import { randomBytes, randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { config, type ConfigOf, field, readConfig } from "@xiezhi/base/config.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { RoomSchema, SiteKind, SiteSchema } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import type { User } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import type { SitesService } from "./modules/sites/sites.service.ts";
import { isGuessable, type UsersService } from "./modules/users/users.service.ts";
import { programCall } from "./platform/call.ts";

/**
 * What must exist when a hub starts for the first time, as a JSON file. What is there already is left as it is: people change it
 * through the portal afterwards. A user gets the password that stands in `loginsFile`, or a random one that is written there
 * (mode 600) before the user is made; no default password exists.
 */
const Bootstrap = config({
  sites: field.list(
    "Courts and detention centres",
    config({
      id: field.text("Plain name, such as court-1"),
      kind: field.text("COURT or DETENTION_CENTRE"),
      name: field.text("What people call it"),
      courtCode: field.optional(field.text("Court code of 法〔2015〕137号, such as 粤0304; absent for a detention centre")),
      parentSiteId: field.optional(field.text("The court above; absent at the top")),
    }),
  ),
  rooms: field.list(
    "Rooms, before their agents say more of themselves",
    config({
      id: field.text("Plain name, unique in the hub"),
      siteId: field.text("Where it is"),
      nameZh: field.text("Chinese name"),
      nameEn: field.text("English name"),
      seats: field.optional(
        field.list(
          "Places that people speak from",
          config({ id: field.text("Plain name"), nameZh: field.text("Chinese name"), nameEn: field.text("English name") }),
        ),
      ),
    }),
  ),
  users: field.list(
    "People who may sign in",
    config({
      login: field.text("What they type"),
      name: field.text("Their name"),
      roles: field.list(
        "What they may do where",
        config({ role: field.text("CLERK, JUDGE … as in rights.proto"), siteId: field.text("Where") }),
      ),
    }),
  ),
  loginsFile: field.text('JSON, mode 600: {"login":"password"} of the users made'),
  pinsFile: field.optional(field.text('JSON, mode 600: {"login":"PIN"}; who has no PIN gets the one that stands there, or a random one')),
});

export async function bootstrap(file: string, used: { sites: SitesService; users: UsersService }): Promise<void> {
  const wanted = readConfig(Bootstrap, JSON.parse(await readFile(file, "utf8")), file);
  const call = programCall("hub.Bootstrap");
  for (const { id, name, kind, courtCode = "", parentSiteId = "" } of wanted.sites)
    if (!(await used.sites.site(undefined, id)))
      await used.sites.saveSite(call, create(SiteSchema, { id: plain(id), name, courtCode, parentSiteId, kind: numberOf(SiteKind, kind) }));
  for (const { id, siteId, nameZh, nameEn, seats = [] } of wanted.rooms)
    if (!(await used.sites.room(undefined, id)))
      await used.sites.rememberRoom(create(RoomSchema, { id: plain(id), siteId, nameZh, nameEn, seats }), siteId, call);
  await makeUsers(wanted, used.users);
  if (wanted.pinsFile !== undefined) await makePins(wanted, wanted.pinsFile, used.users);
}

async function makeUsers(wanted: ConfigOf<typeof Bootstrap>, users: UsersService): Promise<void> {
  const missing = [];
  for (const user of wanted.users) if (!(await users.withLogin(user.login))) missing.push(user);
  if (missing.length === 0) return;
  const logins = JSON.parse((await readIfThere(wanted.loginsFile)) ?? "{}") as Record<string, string>;
  for (const { login } of missing) logins[login] ??= newPassword();
  await writeDurably(wanted.loginsFile, `${JSON.stringify(logins, null, 2)}\n`);
  for (const { login, name, roles } of missing) {
    const password = logins[login] ?? "";
    await users.create(programCall("hub.Bootstrap"), {
      login,
      name,
      password,
      roles: roles.map(({ role, siteId }) => ({ role: numberOf(Role, role), siteId })),
    });
  }
}

async function makePins(wanted: ConfigOf<typeof Bootstrap>, file: string, users: UsersService): Promise<void> {
  const found = await Promise.all(wanted.users.map(({ login }) => users.withLogin(login)));
  const missing = found.filter((user) => user !== undefined && !user.hasPin) as User[];
  if (missing.length === 0) return;
  const pins = JSON.parse((await readIfThere(file)) ?? "{}") as Record<string, string>;
  for (const { login } of missing) pins[login] ??= newPin();
  await writeDurably(file, `${JSON.stringify(pins, null, 2)}\n`);
  for (const { id, login } of missing) await users.resetPin(programCall("hub.Bootstrap"), id, pins[login] ?? "");
}

/** Eight digits; one in five million would be refused as guessable, so another one is drawn. */
function newPin(): string {
  for (;;) {
    const pin = String(randomInt(100_000_000)).padStart(8, "0");
    if (!isGuessable(pin)) return pin;
  }
}

/** About 80 bits in groups that people can type: no 0/o, 1/l/i. */
export function newPassword(): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  const text = Array.from(randomBytes(64), (byte) => (byte < 248 ? letters[byte % 31] : ""))
    .join("")
    .slice(0, 16);
  return text.replace(/(.{4})(?=.)/g, "$1-");
}

function plain(id: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(id)) throw new Error(`${JSON.stringify(id)} is no plain name: small letters, digits and dashes`);
  return id;
}

function numberOf<E extends object>(values: E, name: string): E[keyof E] {
  const value = values[name as keyof E];
  if (typeof value !== "number" || value === 0)
    throw new Error(
      `${name} is not one of ${Object.keys(values)
        .filter((key) => /^[A-Z_]+$/.test(key))
        .join(", ")}`,
    );
  return value;
}
