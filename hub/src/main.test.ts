import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readIfThere } from "@xiezhi/base/files.ts";
import { createAuthority, issue } from "@xiezhi/enrol/authority.ts";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { clientOf, openLink } from "@xiezhi/rpc/client.ts";
import { refused } from "./testing/court.ts";

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url));

interface Ports {
  portalPort: number;
  grpcPort: number;
  agentPort: number;
}

async function prepare(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "xz-hub-"));
  const file = (name: string) => join(folder, name);
  const authority = await createAuthority(file("authority"), systemClock);
  const { ca } = await issue(authority, { kind: "program", name: "hub", names: ["localhost", "127.0.0.1"] }, file("tls"), systemClock);
  const bootstrap = {
    sites: [{ id: "court-1", kind: "COURT", name: "法院", courtCode: "粤0304" }],
    rooms: [{ id: "courtroom-1", siteId: "court-1", nameZh: "第一法庭", nameEn: "Courtroom 1" }],
    users: [{ login: "clerk", name: "书记员", roles: [{ role: "CLERK", siteId: "court-1" }] }],
    loginsFile: file("logins.json"),
    pinsFile: file("pins.json"),
  };
  const config = { stateFolder: file("hub"), tlsFolder: file("tls"), portalPort: 0, grpcPort: 0, agentPort: 0, logFile: file("hub.log") };
  await writeFile(file("bootstrap.json"), JSON.stringify(bootstrap));
  await writeFile(file("hub.json"), JSON.stringify({ ...config, bootstrapFile: file("bootstrap.json"), readyFile: file("ready.json") }));
  const running = new Set<ChildProcess>();
  const start = async () => {
    await rm(file("ready.json"), { force: true });
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program("main.ts"), file("hub.json")], {
      stdio: "ignore",
    });
    running.add(child);
    for (;;) {
      const ready = await readIfThere(file("ready.json"));
      if (ready !== undefined) return { child, ports: JSON.parse(ready) as Ports };
      if (child.exitCode !== null) throw new Error(await readFile(file("hub.log"), "utf8"));
      await systemClock.sleep(20);
    }
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals) => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
    running.delete(child);
  };
  t.after(async () => {
    for (const child of running) await end(child, "SIGTERM");
    await rm(folder, { recursive: true, force: true });
  });
  return { file, ca, start, end };
}

/** Pids of ingest processes that were started with this configuration. */
async function ingests(config: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid,args"]);
  return stdout
    .split("\n")
    .filter((line) => line.includes("ingest.main.ts") && line.includes(config))
    .map((line) => line.trim().split(" ")[0] ?? "");
}

test("a first start makes what the bootstrap names; killed it leaves ingest at work, stopped it leaves nothing", async (t) => {
  const { file, ca, start, end } = await prepare(t);
  const first = await start();
  const logins = JSON.parse(await readFile(file("logins.json"), "utf8")) as Record<string, string>;
  assert.match(logins.clerk ?? "", /^[a-z2-9]{4}(-[a-z2-9]{4}){3}$/);
  assert.match((JSON.parse(await readFile(file("pins.json"), "utf8")) as Record<string, string>).clerk ?? "", /^[0-9]{8}$/);
  assert.equal((await stat(file("pins.json"))).mode & 0o777, 0o600);
  for (const secret of ["logins.json", "hub/hub.db"])
    assert.equal((await stat(file(secret))).mode & 0o077, 0, `${secret} is for nobody else`);

  const logIn = async (ports: Ports, password: string) => {
    const open = openLink({ host: "localhost", port: ports.grpcPort, tls: { ca } });
    try {
      return await clientOf(UsersService, open).logIn({ login: "clerk", password });
    } finally {
      open.close();
    }
  };
  const { token, user } = await logIn(first.ports, logins.clerk ?? "");
  assert.deepEqual(
    user?.roles.map(({ role, siteId }) => [role, siteId]),
    [[Role.CLERK, "court-1"]],
  );
  const page = await fetch(`http://localhost:${first.ports.portalPort}/xiezhi.users.v1.UsersService/WhoAmI`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: "{}",
  });
  assert.equal(((await page.json()) as { user: { login: string } }).user.login, "clerk");

  const [ingest] = await ingests(file("hub"));
  assert.ok(ingest);
  await end(first.child, "SIGKILL");
  assert.deepEqual(await ingests(file("hub")), [ingest], "uploads go on");

  const second = await start();
  const link = openLink({ host: "localhost", port: second.ports.grpcPort, tls: { ca } }, { bearer: token });
  t.after(() => link.close());
  assert.deepEqual(
    (await clientOf(SitesService, link).listRooms({})).rooms.map(({ nameZh }) => nameZh),
    ["第一法庭"],
    "the session outlives the process",
  );
  assert.deepEqual(JSON.parse(await readFile(file("logins.json"), "utf8")), logins, "nobody is made twice");
  const now = await ingests(file("hub"));
  assert.ok(now.length === 1 && now[0] !== ingest, "the new one has taken over");

  const reset = async () => {
    const child = spawn(process.execPath, [
      "--disable-warning=ExperimentalWarning",
      program("user-reset.main.ts"),
      file("hub.json"),
      "clerk",
    ]);
    let out = "";
    for await (const piece of child.stdout.setEncoding("utf8")) out += String(piece);
    return (JSON.parse(out) as { password: string }).password;
  };
  const asked = await reset();
  await refused(clientOf(SitesService, link).listRooms({}), "RPC_SESSION_ENDED");
  await refused(logIn(second.ports, logins.clerk ?? ""), "USERS_WRONG_PASSWORD");
  assert.ok((await logIn(second.ports, asked)).token);

  await end(second.child, "SIGTERM");
  assert.deepEqual(await ingests(file("hub")), []);
  assert.notEqual(await reset(), asked, "without a running hub the program opens the database itself");
});
