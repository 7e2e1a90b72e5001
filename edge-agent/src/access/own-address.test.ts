import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { AccessService, type AdmitRequestSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { RoomSchema } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { hashPassword } from "@xiezhi/rpc/access/passwords.ts";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import { implementSome } from "@xiezhi/rpc/service.ts";
import { OwnAddress } from "./own-address.part.ts";

const DAY_MS = 24 * 3_600_000;
const PIN = "402913";
const verifier = hashPassword(PIN);
const roomId = "courtroom-1";
const room = create(RoomSchema, { id: roomId, siteId: "court-1", nameZh: "第一法庭", nameEn: "Courtroom 1" });
const refusals = defineErrors("ROOMS", {
  notRunning: () => ({ code: "FAILED_PRECONDITION", reason: "NOT_RUNNING", zh: "无", en: "none" }),
});

/** A room that starts and marks whatever it is asked, and refuses to end. */
const service = implementSome(RoomService, {
  async *watchDesk(_, { signal }) {
    yield { what: { case: "desk", value: { roomId } } };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
  async *start(_, { caller }) {
    yield { what: { case: "started", value: { takeId: caller.kind === "user" ? caller.login : "" } } };
  },
  mark: async () => ({ mark: { id: "m" } }),
  end: async () => {
    throw refusals.notRunning();
  },
});

const folders = await mkdtemp(join(tmpdir(), "xz-own-address-"));
// Not with each test: what it started may write there until it has ended.
after(() => rm(folders, { recursive: true }));
const aFolder = () => mkdtemp(join(folders, "room-"));

interface Answer {
  status: number;
  cookie: string;
  body: Record<string, unknown> & { code?: string; message?: string };
}

async function start(t: TestContext, { clock, folder }: { clock: SimulatedClock; folder: string }) {
  const web = { port: 0, instance: "test", portalFolder: folder };
  const address = new OwnAddress({ clock, log: silentLog, stateFolder: folder, room, web });
  await address.open();
  const port = await address.serve([service]);
  t.after(() => address.close());
  const hub = clientOf(
    AccessService,
    memoryLink([address.forHub], { authenticate: async () => ({ kind: "program", name: "hub" }), authorize: async () => {} }),
  );
  const ask = async (method: string, body: object = {}, cookie = ""): Promise<Answer> => {
    const [noun = ""] = method.split("Service/");
    const response = await fetch(`http://localhost:${port}/xiezhi.${noun.toLowerCase().replace(/^room$/, "rooms")}.v1.${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: `http://localhost:${port}`, cookie },
      body: JSON.stringify(body),
    });
    const [given = ""] = response.headers.getSetCookie();
    const text = await response.text();
    return {
      status: response.status,
      cookie: given.split(";")[0] ?? "",
      body: text.startsWith("{") ? (JSON.parse(text) as Answer["body"]) : {},
    };
  };
  const logIn = (login: string, pin = PIN) => ask("UsersService/LogIn", { login, password: pin });
  return { address, hub, ask, logIn, close: () => address.close() };
}

let version = 0;

async function told(
  clock: SimulatedClock,
  ...people: (readonly [login: string, role: Role])[]
): Promise<MessageInitShape<typeof AdmitRequestSchema>> {
  const pinVerifier = await verifier;
  version += 1;
  return {
    version: BigInt(version),
    atMs: BigInt(clock.nowMs()),
    site: { id: "court-1", name: "福田区人民法院" },
    people: people.map(([login, role]) => ({
      pinVerifier,
      user: { id: `id-${login}`, login, name: `${login} 的姓名`, roles: [{ role, siteId: "court-1" }] },
    })),
  };
}

const clerk = ["clerk", Role.CLERK] as const;
const judge = ["judge", Role.JUDGE] as const;
const requestId = "00000000-0000-4000-8000-000000000001";

/** What waits for the hub, as lines: act, who, outcome. */
async function waiting(hub: Awaited<ReturnType<typeof start>>["hub"]): Promise<string[]> {
  const gone = new AbortController();
  for await (const { acts } of hub.watchActs({}, { signal: gone.signal }))
    return acts.map(({ act, login, outcome }) => `${act} ${login} ${outcome}`);
  return [];
}

test("a clerk signs in by PIN and acts with the roles that the hub told; each act waits for the hub's audit", async (t) => {
  const clock = new SimulatedClock();
  const folder = await aFolder();
  const { hub, ask, logIn } = await start(t, { clock, folder });
  await hub.admit(await told(clock, clerk, judge));
  assert.equal((await stat(join(folder, "access", "people.json"))).mode & 0o777, 0o600);
  const place = await ask("UsersService/WhereAmI");
  assert.deepEqual([place.body.signInWith, place.body.roomId], ["SIGN_IN_WITH_PIN", roomId]);
  assert.ok((place.body.methods as string[]).includes("xiezhi.rooms.v1.RoomService/WatchDesk"));
  assert.ok(!(place.body.methods as string[]).includes("xiezhi.users.v1.UsersService/ListUsers"));
  assert.equal((await ask("UsersService/WhoAmI")).status, 401);
  const { cookie, body } = await logIn("clerk");
  assert.match(cookie, /^xiezhi-test-courtroom-1-\d+=/);
  assert.equal(body.token, undefined, "a page has the cookie");
  assert.equal(((await ask("UsersService/WhoAmI", {}, cookie)).body.user as { name: string }).name, "clerk 的姓名");
  assert.deepEqual((await ask("SitesService/ListRooms", {}, cookie)).body.rooms, [
    { id: roomId, siteId: "court-1", nameZh: "第一法庭", nameEn: "Courtroom 1" },
  ]);
  const mark = { requestId, roomId, type: "note" };
  assert.equal((await ask("RoomService/Mark", mark, cookie)).status, 200);
  const takeId = requestId;
  assert.equal((await ask("RoomService/End", { requestId, roomId, takeId }, cookie)).body.code, "failed_precondition");
  assert.equal((await ask("RoomService/Mark", { ...mark, roomId: "courtroom-2" }, cookie)).body.code, "not_found");
  const other = await logIn("judge");
  assert.equal((await ask("RoomService/End", { requestId, roomId, takeId }, other.cookie)).body.code, "permission_denied");
  assert.equal((await ask("RoomService/Mark", mark)).status, 401);
  await ask("UsersService/LogOut", {}, cookie);
  assert.equal((await ask("UsersService/WhoAmI", {}, cookie)).status, 401);
  assert.deepEqual(await waiting(hub), [
    "users.WhoAmI  RPC_SIGN_IN_FIRST",
    "users.LogIn clerk ok",
    "rooms.Mark clerk ok",
    "rooms.End clerk ROOMS_NOT_RUNNING",
    "rooms.Mark clerk ACCESS_NO_ROOM",
    "users.LogIn judge ok",
    "rooms.End judge RIGHTS_ROLE_NEEDED",
    "rooms.Mark  RPC_SIGN_IN_FIRST",
    "users.LogOut clerk ok",
    "users.WhoAmI  RPC_SIGN_IN_FIRST",
  ]);
});

test("twenty wrong PINs are slowed, also at once and over a restart, and only for that login", async (t) => {
  const clock = new SimulatedClock();
  const folder = await aFolder();
  const first = await start(t, { clock, folder });
  await first.hub.admit(await told(clock, clerk, judge));
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => first.logIn("clerk", String(100_000 + at))));
  const codes = answers.map(({ body }) => body.code);
  assert.deepEqual(
    [codes.filter((code) => code === "unauthenticated").length, codes.filter((code) => code === "resource_exhausted").length],
    [5, 15],
  );
  assert.equal((await first.logIn("clerk")).body.code, "resource_exhausted", "the right one must wait too");
  assert.equal((await first.logIn("judge")).status, 200);
  await first.close();
  const second = await start(t, { clock, folder });
  assert.equal((await second.logIn("clerk")).body.code, "resource_exhausted");
  await clock.advanceMs(30_000);
  assert.equal((await second.logIn("clerk", "000000")).body.code, "unauthenticated");
  await clock.advanceMs(59_000);
  assert.equal((await second.logIn("clerk")).body.code, "resource_exhausted", "each wrong one doubles the wait");
  await clock.advanceMs(1_000);
  assert.equal((await second.logIn("clerk")).status, 200);
});

test("nobody signs in on what the hub told 8 days ago, or never, and the refusal says the way out", async (t) => {
  const clock = new SimulatedClock();
  const { hub, logIn } = await start(t, { clock, folder: await aFolder() });
  const refused = async (reason: string) => {
    const { status, body } = await logIn("clerk");
    assert.equal(status, 400);
    assert.match(String(body.message), new RegExp(`${reason}.*restore the room's link to the hub`));
  };
  await refused("hub has not told this room yet");
  await hub.admit(await told(clock, clerk));
  clock.stepUtcMs(6 * DAY_MS);
  assert.equal((await logIn("clerk")).status, 200);
  clock.stepUtcMs(2 * DAY_MS);
  await refused("told by the hub 8 days ago");
  await hub.admit(await told(clock, clerk));
  assert.equal((await logIn("clerk")).status, 200);
});

test("a session outlives the agent, but not its user's being disabled, a lost role or another PIN", async (t) => {
  const clock = new SimulatedClock();
  const folder = await aFolder();
  const first = await start(t, { clock, folder });
  await first.hub.admit(await told(clock, clerk, judge));
  const { cookie: clerks } = await first.logIn("clerk");
  const { cookie: judges } = await first.logIn("judge");
  await first.close();
  const second = await start(t, { clock, folder });
  const port = /-(\d+)=/.exec(clerks)?.[1] ?? "";
  const here = (cookie: string, at: string) => cookie.replace(`-${port}=`, `-${at}=`);
  const place = await second.logIn("judge");
  const at = /-(\d+)=/.exec(place.cookie)?.[1] ?? "";
  const who = async (cookie: string) => (await second.ask("UsersService/WhoAmI", {}, here(cookie, at))).status;
  assert.deepEqual([await who(clerks), await who(judges)], [200, 200]);
  let ended = 0;
  const [session] = second.address.sessions.all();
  second.address.sessions.onEnded(session?.id ?? "", () => (ended += 1));
  const old = await told(clock, judge);
  const now = await told(clock, judge);
  await second.hub.admit(now);
  assert.equal(ended, 1, "what is open ends as the hub tells it");
  assert.deepEqual([await who(clerks), await who(judges)], [401, 200]);
  assert.equal((await second.hub.admit({ ...old, people: [] })).version, now.version, "what is older is passed over");
  assert.equal(await who(judges), 200);
  await second.hub.admit(await told(clock, ["judge", Role.CLERK]));
  assert.equal(await who(judges), 401);
});

test("acts stay on disk until the hub says that it has them; a torn file costs only itself", async (t) => {
  const clock = new SimulatedClock();
  const folder = await aFolder();
  const first = await start(t, { clock, folder });
  await first.hub.admit(await told(clock, clerk));
  for (const pin of ["000000", PIN]) await first.logIn("clerk", pin);
  await first.close();
  await writeFile(join(folder, "access", "acts", `${randomUUID()}.json`), '{"id":"torn');
  const second = await start(t, { clock, folder });
  await second.ask("UsersService/LogOut", {}, (await second.logIn("clerk")).cookie);
  const gone = new AbortController();
  const seen: string[] = [];
  for await (const { acts } of second.hub.watchActs({}, { signal: gone.signal })) {
    seen.push(...acts.map(({ outcome }) => outcome));
    await second.hub.takeActs({ ids: acts.slice(0, 3).map(({ id }) => id) });
    break;
  }
  assert.deepEqual(seen, ["ACCESS_WRONG_PIN", "ok", "ok", "ok"]);
  await second.close();
  const third = await start(t, { clock, folder });
  assert.deepEqual(await waiting(third.hub), ["users.LogOut clerk ok"]);
});
