import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { CARRIES_MEDIA, type Processes } from "@xiezhi/base/processes.ts";
import type { Places } from "./places.ts";

const PROGRAM = fileURLToPath(new URL("ingest/ingest.main.ts", import.meta.url));
const LOOK_MS = 50;

/**
 * Ingest runs beside main and outlives it when main is killed: uploads go on, and the next hub's ingest takes over from it.
 * An orderly stop of main stops it too.
 */
export async function startIngest(processes: Processes, places: Places): Promise<void> {
  const { config, ingestConfigFile, ingestPortFile } = places;
  await rm(ingestPortFile, { force: true });
  const told = {
    host: config.agentHost,
    port: config.agentPort,
    portFile: ingestPortFile,
    tlsFolder: config.tlsFolder,
    stateFolder: places.ingestFolder,
    storeUrl: places.storeUrl,
    backupUrl: places.backupUrl,
    ingestSocket: places.ingestSocket,
    callSocket: places.callSocket,
    ...(config.logFile === undefined ? {} : { logFile: config.logFile }),
  };
  await writeDurably(ingestConfigFile, `${JSON.stringify(told, null, 2)}\n`);
  processes.start({
    name: "ingest",
    command: process.execPath,
    args: [...CARRIES_MEDIA, "--disable-warning=ExperimentalWarning", PROGRAM, ingestConfigFile],
    restart: "always",
    outlives: true,
    ...(config.logFile === undefined ? {} : { logFile: config.logFile }),
  });
}

/** The agent port, once ingest serves it. */
export async function portFrom(file: string, clock: Clock, signal: AbortSignal): Promise<number> {
  for (;;) {
    const port = await readIfThere(file);
    if (port !== undefined) return Number(port);
    await clock.sleep(LOOK_MS, signal);
  }
}
