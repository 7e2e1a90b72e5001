import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { newId } from "@xiezhi/base/ids.ts";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { CommandOutcome } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability, DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { demoRooms } from "../src/demo/court.ts";
import { freePort } from "../src/demo/ports.ts";
import type { RunningCourt } from "../src/demo/running-court.ts";
import { demoCourt } from "./demo-court.ts";
import { openBrowser, Person } from "./portal/browser.ts";

const room = demoRooms[1]!;
const prefix = `xiezhi/${room.siteId}/${room.id}`;
const camera = "camera-judge";

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xz-brokers-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** mosquitto_pub and mosquitto_sub as somebody: `words` stand in a file that they read, so that no password is in a list of processes. */
async function mosquitto(t: TestContext, words: readonly string[]) {
  const folder = await folderOf(t);
  const tools = ["mosquitto_pub", "mosquitto_sub"] as const;
  for (const tool of tools) await writeFile(join(folder, tool), `${words.join("\n")}\n`, { mode: 0o600 });
  const run = (tool: (typeof tools)[number], more: readonly string[]) =>
    spawn(tool, more, { env: { ...process.env, XDG_CONFIG_HOME: folder }, stdio: ["ignore", "pipe", "pipe"] });
  return {
    async publish(topic: string, payload: string): Promise<number> {
      const [code] = await once(run("mosquitto_pub", ["-q", "1", "-t", topic, "-m", payload]), "exit");
      return code as number;
    },
    /** Lines `topic payload` until one is wanted. */
    async see(filter: string, wanted: (line: string) => boolean, meanwhile = async () => {}): Promise<string> {
      const child = run("mosquitto_sub", ["-q", "1", "-v", "-t", filter]);
      t.after(() => child.kill());
      await meanwhile();
      for await (const line of createInterface(child.stdout)) if (wanted(line)) return line;
      throw new Error(`${filter}: ${await text(child.stderr)}`);
    },
    /** What it says when it is refused. */
    async refused(filter: string): Promise<string> {
      const child = run("mosquitto_sub", ["-q", "1", "-t", filter]);
      return text(child.stderr);
    },
  };
}

async function devicesOf(court: RunningCourt, login: string) {
  const link = await court.signIn(login);
  const devices = clientOf(DevicesService, link);
  return {
    close: () => link.close(),
    /** Resolves once the hub hears the room and its main camera is so. */
    async until(connected: boolean, availability: Availability): Promise<void> {
      for await (const seen of devices.watchDevices({ roomId: room.id })) {
        const heard = seen.links.some((it) => it.connected === connected);
        if (heard && seen.devices.find(({ id }) => id === camera)?.state?.availability === availability) return;
      }
    },
    async turn(token: string): Promise<CommandOutcome | undefined> {
      const command = { what: { case: "recallPreset" as const, value: { token } } };
      const { result } = await devices.commandDevice({ requestId: newId(), roomId: room.id, deviceId: camera, command });
      return result?.outcome;
    },
  };
}

test("a third party's tools and a technician's page see a room's devices and have a camera turn; each sees its own only", {
  timeout: 240_000,
}, async (t) => {
  const { court, home } = await demoCourt(t, [room]);
  const technician = await devicesOf(court, "technician");
  t.after(() => technician.close());
  await technician.until(true, Availability.AVAILABLE);

  await t.test("mosquitto's tools with a login of the room's broker", async (s) => {
    const { port, password } = court.brokers.get(room.id)!;
    const { publish, see } = await mosquitto(s, ["-h 127.0.0.1", `-p ${port}`, "-u technician", `-P ${password}`]);
    const state = await see(`${prefix}/+/state`, (line) => line.startsWith(`${prefix}/${camera}/state`));
    assert.match(state, /"availability":\s?"AVAILABILITY_AVAILABLE"/, "words that a person can read");
    const id = newId();
    const turn = JSON.stringify({ id, recallPreset: { token: "2" } });
    const result = await see(
      `${prefix}/${camera}/result`,
      (line) => line.includes(id),
      async () => assert.equal(await publish(`${prefix}/${camera}/command`, turn), 0),
    );
    assert.match(result, /COMMAND_OUTCOME_DONE/);
  });

  await t.test("mosquitto's tools with an agent's certificate at the hub's broker", async (s) => {
    const { brokerPort } = JSON.parse(await readFile(join(home, "hub/ready.json"), "utf8"));
    const tls = join(home, "agents", room.id, "tls");
    const files = [`--cafile ${join(tls, "ca.pem")}`, `--cert ${join(tls, "cert.pem")}`, `--key ${join(tls, "key.pem")}`];
    const { see, refused } = await mosquitto(s, ["-h localhost", `-p ${brokerPort}`, ...files]);
    await see(`${prefix}/#`, (line) => line.startsWith(`${prefix}/${camera}/state`));
    for (const filter of ["#", "xiezhi/+/+/+/state", `xiezhi/${room.siteId}/elsewhere/#`, "$SYS/#"])
      assert.match(await refused(filter), /denied/, filter);
  });

  await t.test("a technician tries a camera on the page of the rooms, and the audit has it", async (s) => {
    const browser = await openBrowser();
    s.after(() => browser.close());
    const person = await Person.at(browser, court.portalUrl);
    await person.logIn("technician", court.logins["technician"]!);
    const { page } = person;
    await page.getByTestId(`preset-${camera}`).click();
    await page.getByTitle("证人席 Witness").click();
    const trials = page.getByTestId(`trials-${camera}`);
    await trials.locator("[data-outcome=DONE]").waitFor();
    await person.show("rooms-try-it");
    assert.deepEqual(await person.barriers(), []);
    const link = await court.signIn("auditadmin");
    s.after(() => link.close());
    const { rows } = await clientOf(AuditsService, link).listAudits({ act: "devices.CommandDevice" });
    assert.deepEqual(
      rows.map(({ login, outcome, objectId }) => [login, outcome, objectId]),
      [["technician", "ok", `${room.id}/${camera}`]],
    );
  });
});

/** A broker of somebody else's, killed and begun again at its port. */
interface ForeignBroker {
  url: string;
  kill(): Promise<void>;
  begin(): Promise<void>;
}

async function running(t: TestContext, command: string, words: readonly string[], url: string): Promise<ForeignBroker> {
  let ended: Promise<unknown> = Promise.resolve();
  let kill = () => {};
  const begin = async () => {
    const child = spawn(command, words, { stdio: "ignore" });
    ended = once(child, "exit");
    await once(child, "spawn");
    kill = () => void child.kill("SIGKILL");
  };
  await begin();
  const end = async () => {
    kill();
    await ended;
  };
  t.after(end);
  return { url, kill: end, begin };
}

/** Debian's mosquitto with a login. */
async function startMosquitto(t: TestContext): Promise<ForeignBroker> {
  const [folder, port, password] = [await folderOf(t), await freePort(), newId()];
  const passwords = join(folder, "passwords");
  await writeFile(passwords, `court:${password}\n`, { mode: 0o600 });
  await once(spawn("mosquitto_passwd", ["-U", passwords]), "exit");
  const file = join(folder, "mosquitto.conf");
  await writeFile(file, `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nuser root\n`);
  return running(t, "/usr/sbin/mosquitto", ["-c", file], `mqtt://court:${password}@127.0.0.1:${port}`);
}

/** Debian's NATS server, as an MQTT broker with a login. */
async function startNats(t: TestContext): Promise<ForeignBroker> {
  const [folder, port] = [await folderOf(t), await freePort()];
  await mkdir(join(folder, "jetstream"));
  const password = newId();
  const told = `host: 127.0.0.1
port: ${await freePort()}
server_name: court
jetstream { store_dir: "${join(folder, "jetstream")}" }
authorization { user: court, password: "${password}" }
mqtt { host: 127.0.0.1, port: ${port} }
`;
  const file = join(folder, "nats.conf");
  await writeFile(file, told, { mode: 0o600 });
  return running(t, "/usr/sbin/nats-server", ["-c", file], `mqtt://court:${password}@127.0.0.1:${port}`);
}

for (const [name, start] of Object.entries({ mosquitto: startMosquitto, NATS: startNats }))
  test(`${name} stands where the hub's own broker would: states, commands, its death and its return`, { timeout: 120_000 }, async (t) => {
    const broker = await start(t);
    const { court } = await demoCourt(t, [room], { brokerUrl: broker.url });
    const technician = await devicesOf(court, "technician");
    t.after(() => technician.close());
    await technician.until(true, Availability.AVAILABLE);
    assert.equal(await technician.turn("2"), CommandOutcome.DONE);
    await broker.kill();
    await technician.until(false, Availability.UNKNOWN);
    await broker.begin();
    await technician.until(true, Availability.AVAILABLE);
    assert.equal(await technician.turn("1"), CommandOutcome.DONE);
  });
