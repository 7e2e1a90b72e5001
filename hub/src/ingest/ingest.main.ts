import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { writeDurably } from "@xiezhi/base/files.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { tlsFor } from "@xiezhi/enrol/authority.ts";
import { Store } from "@xiezhi/media/store/store.ts";
import { grpcOnConnections, startGrpcServer } from "@xiezhi/rpc/grpc.ts";
import { startAgentPort } from "./agent-port.ts";
import { folderOf, IngestConfig } from "./ingest.config.ts";
import { ingestImplementation } from "./ingest.rpc.ts";
import { Refusals } from "./refusals.ts";
import { programsDoor } from "./rooms.door.ts";
import { takeOver } from "./takeover.ts";
import { uplinkImplementation } from "./uplink.rpc.ts";

/** Owns the agent port, the takes' files and their ledgers; no SQL. Usage: node ingest.main.ts <config.json> */
const file = process.argv[2] ?? "";
const config = readConfig(IngestConfig, JSON.parse(await readFile(file, "utf8")), "ingest");
const log = createLog("ingest", config.logFile === undefined ? {} : { file: config.logFile });
const shutdown = new Shutdown(log);
shutdown.onSignals();

const owner = await takeOver(join(`${config.ingestSocket}.owner`), clock, () => {
  log.info("another ingest takes over");
  void shutdown.run().then(() => process.exit(0));
});
shutdown.add("ownership", () => owner.close());

const store = await Store.open({
  clock,
  log: log.child({ part: "store" }),
  stateFolder: config.stateFolder,
  storeFolder: folderOf(config.storeUrl, "storeUrl"),
  backupFolder: folderOf(config.backupUrl, "backupUrl"),
  reserveBytes: config.reserveBytes,
});
shutdown.add("store", () => store.close());

const refusals = new Refusals(clock, log);
const door = programsDoor(log);
const toMain = await startGrpcServer({
  implementations: [ingestImplementation(store, refusals, clock)],
  door,
  unixPath: config.ingestSocket,
});
shutdown.add("socket to main", () => toMain.close());

const UPLINK_MESSAGE_MAX_BYTES = 20 << 20;
const uplink = grpcOnConnections({
  implementations: [uplinkImplementation(store, refusals, log)],
  door,
  maxMessageBytes: UPLINK_MESSAGE_MAX_BYTES,
});
shutdown.add("uplink", () => uplink.close());

const { host, port, callSocket } = config;
const agents = await startAgentPort({ host, port, tls: await tlsFor(config.tlsFolder), callSocket, uplink, log });
shutdown.add("agent port", () => agents.close());
if (config.portFile !== undefined) await writeDurably(config.portFile, String(agents.port), 0o644);
log.info({ host, port: agents.port }, "agents are served");
