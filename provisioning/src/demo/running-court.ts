import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { CARRIES_MEDIA, Processes, type ProcessSpec } from "@xiezhi/base/processes.ts";
import { tlsFor } from "@xiezhi/enrol/authority.ts";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { clientOf, type Link, openLink } from "@xiezhi/rpc/client.ts";
import { type DemoRoom, demoSites, demoUsers } from "./court.ts";
import { authorityOf, certificateIn, prepareRoom } from "./home.ts";
import { Ports } from "./ports.ts";
import { RUN_VARIABLE } from "./proc.ts";
import { rememberRun } from "./running.ts";

const READY_WITHIN_MS = 60_000;
const LOOK_EACH_MS = 50;
const LOG_END_CHARACTERS = 2_000;
/** A process may take so long to close in good order: an agent signs its ledgers. */
const GRACE_MS = 8_000;

export interface CourtOptions {
  home: string;
  clips: string;
  rooms: readonly DemoRoom[];
  log: Log;
  /** Of the first room: a camera that is not there until `bringAbsentCamera`. */
  absentCamera?: string;
  portalPort?: number;
  /** Another MQTT broker than the hub's own, for the hub and every room. */
  brokerUrl?: string;
  /** Ctrl-C at the terminal reaches only the caller, who then closes the court: rooms, hub and devices end in their order. */
  ownGroups?: boolean;
  /** Aborted while it starts: what was started is ended, and `start` throws the signal's reason. */
  signal?: AbortSignal;
}

/** A whole court on one machine: the hub, the rooms' agents and their simulated devices, each a process of its own. */
export class RunningCourt {
  /** Marks its processes. */
  readonly run: string;
  readonly logins: Readonly<Record<string, string>>;
  /** For rooms' own addresses, by login. */
  readonly pins: Readonly<Record<string, string>>;
  /** Each room's MQTT broker on loopback, and the password of its login `technician`. */
  readonly brokers: ReadonlyMap<string, { port: number; password: string }>;
  readonly portalUrl: string;
  /** Each room's own address, on loopback; people sign in there by PIN. */
  readonly roomUrls: ReadonlyMap<string, string>;
  readonly stateFolders: { hub: string };
  private readonly processes: Processes;
  private readonly ports: Ports;
  private readonly clock: Clock;
  private readonly grpcPort: number;
  private readonly ca: string;
  private absentPlan: string | undefined;
  private readonly options: CourtOptions;

  private constructor(options: CourtOptions, own: { run: string; processes: Processes; ports: Ports }, ready: Ready) {
    this.options = options;
    this.run = own.run;
    this.processes = own.processes;
    this.ports = own.ports;
    this.clock = systemClock;
    this.logins = ready.logins;
    this.pins = ready.pins;
    this.brokers = ready.brokers;
    this.roomUrls = ready.roomUrls;
    this.portalUrl = `http://localhost:${ready.portalPort}`;
    this.grpcPort = ready.grpcPort;
    this.ca = ready.ca;
    this.absentPlan = ready.absentPlan;
    this.stateFolders = { hub: join(options.home, "hub") };
  }

  /** Resolves when the hub serves; rooms connect by themselves. Throws what the hub's log ends with when it does not. */
  static async start(options: CourtOptions): Promise<RunningCourt> {
    const { home, rooms, log } = options;
    const run = newId();
    const processes = new Processes(systemClock, log);
    await rememberRun(home, run);
    const ports = await Ports.open(home);
    try {
      const authority = await authorityOf(home);
      const hub = join(home, "hub");
      const tlsFolder = join(hub, "tls");
      await mkdir(join(home, "logs"), { recursive: true });
      await certificateIn(tlsFolder, authority, { kind: "program", name: "hub", names: ["localhost", "127.0.0.1"] });
      const hubPort = await ports.of("hub agents");
      const brokerPort = await ports.of("hub mqtt");
      const files = new Map<string, Awaited<ReturnType<typeof prepareRoom>>>();
      for (const [at, room] of rooms.entries()) {
        const absentCamera = at === 0 ? options.absentCamera : undefined;
        const prepared = {
          ports,
          authority,
          hubPort,
          brokerUrl: options.brokerUrl ?? `mqtts://localhost:${brokerPort}`,
          clips: options.clips,
          ...(absentCamera === undefined ? {} : { absentCamera }),
        };
        files.set(room.id, await prepareRoom(home, room, prepared));
      }
      const readyFile = join(hub, "ready.json");
      const loginsFile = join(home, "logins.json");
      const pinsFile = join(home, "pins.json");
      await rm(readyFile, { force: true });
      await writeDurably(join(hub, "bootstrap.json"), JSON.stringify(bootstrapOf(rooms, { loginsFile, pinsFile }), null, 1));
      const hubConfig = {
        stateFolder: hub,
        tlsFolder,
        portalPort: await ports.of("portal"),
        grpcPort: await ports.of("hub grpc"),
        agentPort: hubPort,
        brokerPort,
        ...(options.brokerUrl !== undefined && { brokerUrl: options.brokerUrl }),
        bootstrapFile: join(hub, "bootstrap.json"),
        readyFile,
        // Ingest outlives the hub and so has none of its outputs: without a file of its own its lines would be nowhere.
        logFile: logOf(home, "hub"),
      };
      await writeDurably(join(hub, "hub.json"), JSON.stringify(hubConfig, null, 1));
      await ports.save();
      const hubEnded = new Promise<never>((_, reject) => {
        processes.onExit = (name, how) => {
          if (name === "hub") reject(new Error(`the hub ended before it served: ${how}`));
        };
      });
      options.signal?.throwIfAborted();
      const start = (spec: Pick<ProcessSpec, "name" | "args">) => processes.start(demoProcess(spec, options, run));
      start({ name: "hub", args: wordsFor(home, "hub") });
      for (const [room, { devices }] of files) {
        start({ name: `devices-${room}`, args: [program("provisioning/src/demo/devices.main.ts"), devices] });
        start({ name: `agent-${room}`, args: wordsFor(home, `agent-${room}`) });
      }
      const served = await Promise.race([readyOf(readyFile, options.signal), hubEnded]).catch(async (error: Error) => {
        options.signal?.throwIfAborted();
        throw new Error(`${error.message}; its log ends with:\n${(await readIfThere(logOf(home, "hub")))?.slice(-LOG_END_CHARACTERS)}`);
      });
      processes.onExit = () => {};
      const [logins, pins] = await Promise.all([wordsOf(loginsFile), wordsOf(pinsFile)]);
      const { ca } = await tlsFor(tlsFolder);
      options.signal?.throwIfAborted();
      const brokers = new Map([...files].map(([room, { mqtt }]) => [room, mqtt]));
      const roomUrls = new Map([...files].map(([room, { webPort }]) => [room, `http://localhost:${webPort}`]));
      return new RunningCourt(
        options,
        { run, processes, ports },
        {
          ...served,
          logins,
          pins,
          ca,
          roomUrls,
          brokers,
          absentPlan: files.get(rooms[0]?.id ?? "")?.absent,
        },
      );
    } catch (error) {
      await stopInOrder(processes);
      ports.close();
      throw error;
    }
  }

  /** Calls to the hub as this user. */
  async signIn(login: string): Promise<Link> {
    const address = { host: "localhost", port: this.grpcPort, tls: { ca: this.ca } };
    const open = openLink(address);
    try {
      const { token } = await clientOf(UsersService, open).logIn({ login, password: this.logins[login] ?? "" });
      return openLink(address, { bearer: token });
    } finally {
      open.close();
    }
  }

  /** The absent camera is plugged in. */
  bringAbsentCamera(): void {
    if (this.absentPlan === undefined) return;
    const args = [program("provisioning/src/demo/devices.main.ts"), this.absentPlan];
    this.processes.start(demoProcess({ name: "devices-absent", args }, this.options, this.run));
    this.absentPlan = undefined;
  }

  /** Ends the hub or `agent-<room>`, in good order, until `begin`. */
  end(name: string): Promise<void> {
    return this.processes.stop(name);
  }

  /** Starts it again; resolves for the hub when it serves. */
  async begin(name: string): Promise<void> {
    const readyFile = join(this.stateFolders.hub, "ready.json");
    if (name === "hub") await rm(readyFile, { force: true });
    this.processes.start(demoProcess({ name, args: wordsFor(this.options.home, name) }, this.options, this.run));
    if (name === "hub") await readyOf(readyFile);
  }

  /** Pid of a process that was started here: `hub`, `agent-<room>`, `devices-<room>`. */
  pid(name: string): number | undefined {
    return this.processes.pid(name);
  }

  async close(): Promise<void> {
    await stopInOrder(this.processes);
    this.ports.close();
  }
}

/** Rooms first, so that they can still bring the hub what they hold; then the hub, then the devices. */
async function stopInOrder(processes: Processes): Promise<void> {
  const names = processes.list().map(({ name }) => name);
  for (const kind of ["agent-", "hub", "devices-"])
    await Promise.all(names.filter((name) => name.startsWith(kind)).map((name) => processes.stop(name)));
}

interface Ready {
  portalPort: number;
  grpcPort: number;
  logins: Record<string, string>;
  pins: Record<string, string>;
  ca: string;
  roomUrls: RunningCourt["roomUrls"];
  brokers: RunningCourt["brokers"];
  absentPlan: string | undefined;
}

function program(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

function logOf(home: string, name: string): string {
  return join(home, "logs", `${name}.log`);
}

/** Node's words, program and configuration of the hub or of `agent-<room>`. */
function wordsFor(home: string, name: string): string[] {
  if (name === "hub") return [program("hub/src/main.ts"), join(home, "hub", "hub.json")];
  return [...CARRIES_MEDIA, program("edge-agent/src/main.ts"), join(home, "agents", name.slice("agent-".length), "agent.json")];
}

function demoProcess({ name, args }: Pick<ProcessSpec, "name" | "args">, options: CourtOptions, run: string): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args,
    env: { [RUN_VARIABLE]: run },
    restart: "always",
    logFile: logOf(options.home, name),
    ownGroup: options.ownGroups ?? false,
    graceMs: GRACE_MS,
  };
}

async function wordsOf(file: string): Promise<Record<string, string>> {
  return JSON.parse((await readIfThere(file)) ?? "{}") as Record<string, string>;
}

function bootstrapOf(rooms: readonly DemoRoom[], files: { loginsFile: string; pinsFile: string }): object {
  return {
    sites: demoSites,
    rooms: rooms.map(({ id, siteId, nameZh, nameEn, seats }) => ({ id, siteId, nameZh, nameEn, seats })),
    users: demoUsers,
    ...files,
  };
}

async function readyOf(file: string, signal?: AbortSignal): Promise<{ portalPort: number; grpcPort: number }> {
  const deadlineMs = systemClock.nowMs() + READY_WITHIN_MS;
  for (;;) {
    signal?.throwIfAborted();
    const text = await readIfThere(file);
    if (text !== undefined) return JSON.parse(text) as { portalPort: number; grpcPort: number };
    if (systemClock.nowMs() > deadlineMs) throw new Error(`the hub does not serve after ${READY_WITHIN_MS / 1e3} s`);
    await systemClock.sleep(LOOK_EACH_MS);
  }
}
