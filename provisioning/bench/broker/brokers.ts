import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { createAuthority, issue } from "@xiezhi/enrol/authority.ts";
import { roomPrefix } from "@xiezhi/protos/topics.ts";
import { freePort } from "../../src/demo/ports.ts";
import { cpuUs, pssBytes } from "../machine.ts";
import { MEASURED_CORE, startPinned } from "../program.ts";
import type { Load } from "./clients.main.ts";

const OURS = fileURLToPath(new URL("../../../hub/src/broker/broker.main.ts", import.meta.url));
const WITHIN_MS = 20_000;
const room = { siteId: "court-1", roomId: "courtroom-1" };

/** Certificates that both brokers are shown: the hub's own, and a room's. */
export type Certificates = Pick<Load, "hub" | "room" | "prefix">;

export async function certificatesIn(folder: string): Promise<Certificates> {
  const authority = await createAuthority(join(folder, "authority"), clock);
  const [hub, ofRoom] = [join(folder, "hub"), join(folder, "room")];
  await issue(authority, { kind: "program", name: "hub", names: ["localhost", "127.0.0.1"] }, hub, clock);
  await issue(authority, { kind: "room", ...room }, ofRoom, clock);
  return { hub, room: ofRoom, prefix: roomPrefix(room) };
}

/** A broker that runs on the measured core. */
export interface MeasuredBroker {
  port: number;
  cpuUs(): number;
  bytes(): number;
  end(): Promise<void>;
}

/** The hub's broker as the hub starts it; `handicap`: words for Node that make it worse on purpose. */
export async function startOurs(folder: string, { hub: tlsFolder }: Certificates, handicap: readonly string[]): Promise<MeasuredBroker> {
  await mkdir(folder, { recursive: true });
  const [port, file] = [await freePort(), join(folder, "broker.json")];
  const told = { host: "127.0.0.1", port, portFile: join(folder, "broker.port"), tlsFolder, logFile: join(folder, "broker.log") };
  await writeFile(file, JSON.stringify(told));
  return started(process.execPath, [...handicap, OURS, file], port);
}

/** mosquitto with the same certificates and the same rules, as its acl_file can say them. */
export async function startMosquitto(folder: string, { hub }: Certificates): Promise<MeasuredBroker> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const acl = join(folder, "acl");
  const leaves = ["state", "availability", "result", "event", "snapshot"];
  const rules = [
    "user hub",
    ...leaves.map((leaf) => `topic read xiezhi/+/+/+/${leaf}`),
    ...["command", "taken"].map((leaf) => `topic write xiezhi/+/+/+/${leaf}`),
    ...leaves.map((leaf) => `pattern write xiezhi/%u/+/${leaf}`),
    "pattern read xiezhi/%u/#",
  ];
  await writeFile(acl, `${rules.join("\n")}\n`);
  const file = join(folder, "mosquitto.conf");
  const lines = [
    "user root",
    `listener ${port} 127.0.0.1`,
    `cafile ${join(hub, "ca.pem")}`,
    `certfile ${join(hub, "cert.pem")}`,
    `keyfile ${join(hub, "key.pem")}`,
    "require_certificate true",
    "use_identity_as_username true",
    `acl_file ${acl}`,
    "log_type error",
    "max_queued_messages 100000",
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  return started("/usr/sbin/mosquitto", ["-c", file], port);
}

async function started(command: string, words: readonly string[], port: number): Promise<MeasuredBroker> {
  const child = startPinned(MEASURED_CORE, command, words);
  const ended = once(child, "exit");
  const pid = child.pid ?? Number.NaN;
  const untilMs = clock.nowMs() + WITHIN_MS;
  while (!(await isServed(port))) {
    if (clock.nowMs() > untilMs || child.exitCode !== null) throw new Error(`${command} does not serve`);
    await clock.sleep(50);
  }
  return {
    port,
    cpuUs: () => cpuUs(pid),
    bytes: () => pssBytes(pid),
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function isServed(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
