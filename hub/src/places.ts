import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readConfig } from "@xiezhi/base/config.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { HubConfig } from "./hub.config.ts";

/** Longest path that a unix socket may have (sun_path is 108 bytes). */
const SOCKET_PATH_BYTES = 100;

/** Where everything of one hub lies. */
export interface Places {
  config: HubConfig;
  /** May hold a password. */
  databaseUrl: Secret;
  storeUrl: string;
  backupUrl: string;
  ingestFolder: string;
  derivedFolder: string;
  ingestSocket: string;
  callSocket: string;
  controlSocket: string;
  ingestConfigFile: string;
  ingestPortFile: string;
  /** Undefined: the hub runs its own. May hold a password. */
  brokerUrl: Secret | undefined;
  brokerConfigFile: string;
  brokerPortFile: string;
  portalFolder: string;
}

/** Reads the configuration file and the environment, once, and makes the folders. */
export async function readPlaces(file: string, env: NodeJS.ProcessEnv): Promise<Places> {
  const config = readConfig(HubConfig, JSON.parse(await readFile(file, "utf8")), "the hub");
  const state = resolve(config.stateFolder);
  const run = await runFolder(state);
  const inState = (name: string) => pathToFileURL(join(state, name)).href;
  await mkdir(join(state, "ingest"), { recursive: true, mode: 0o700 });
  return {
    config,
    databaseUrl: new Secret(env.DATABASE_URL ?? config.databaseUrl ?? `sqlite:${join(state, "hub.db")}`),
    storeUrl: env.STORE_URL ?? config.storeUrl ?? inState("store"),
    backupUrl: env.BACKUP_URL ?? config.backupUrl ?? inState("backup"),
    ingestFolder: join(state, "ingest"),
    derivedFolder: join(state, "derived"),
    ingestSocket: join(run, "ingest.sock"),
    callSocket: join(run, "calls.sock"),
    controlSocket: join(run, "control.sock"),
    ingestConfigFile: join(state, "ingest.json"),
    ingestPortFile: join(run, "agent-port"),
    brokerUrl: env.BROKER_URL === undefined ? config.brokerUrl : new Secret(env.BROKER_URL),
    brokerConfigFile: join(state, "broker.json"),
    brokerPortFile: join(run, "broker-port"),
    portalFolder: config.portalFolder ?? fileURLToPath(new URL("../portal/dist", import.meta.url)),
  };
}

/** `run` in the state folder, or, where its path is too long for a socket, a folder of our own below the temporary one. */
async function runFolder(state: string): Promise<string> {
  const near = join(state, "run");
  const far = join(tmpdir(), `xiezhi-${process.getuid?.() ?? 0}-${createHash("sha256").update(state).digest("hex").slice(0, 16)}`);
  const folder = Buffer.byteLength(join(near, "ingest.sock.owner")) < SOCKET_PATH_BYTES ? near : far;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}
