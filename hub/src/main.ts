/** The hub. Alone opens the database; its ingest process owns files and ledgers. Usage: node main.ts <config.json> */
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { tlsFor } from "@xiezhi/enrol/authority.ts";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { clientOf, openLink } from "@xiezhi/rpc/client.ts";
import { startGrpcServer } from "@xiezhi/rpc/grpc.ts";
import { mqttAddressOf } from "@xiezhi/rpc/mqtt/link.ts";
import { bootstrap } from "./bootstrap.ts";
import { type Refusal, REFUSALS } from "./broker/certificate-door.ts";
import { startBrokerProcess } from "./broker-process.ts";
import { serveControl } from "./control.ts";
import { alarms } from "./modules/alarms/alarms.module.ts";
import { audits } from "./modules/audits/audits.module.ts";
import { cases } from "./modules/cases/cases.module.ts";
import { devices } from "./modules/devices/devices.module.ts";
import { hearings } from "./modules/hearings/hearings.module.ts";
import { rooms } from "./modules/rooms/rooms.module.ts";
import { sites } from "./modules/sites/sites.module.ts";
import { takes } from "./modules/takes/takes.module.ts";
import { users } from "./modules/users/users.module.ts";
import type { UsersService } from "./modules/users/users.service.ts";
import type { SitesService } from "./modules/sites/sites.service.ts";
import { portFrom, startIngest } from "./ingest-process.ts";
import { readPlaces } from "./places.ts";
import { createDoor } from "./platform/door.ts";
import { buildHouse } from "./platform/platform.ts";
import { startWeb } from "@xiezhi/rpc/web/web.ts";

// What the hub writes is nobody else's: verifiers, sessions' hashes, recordings. Ingest inherits it.
process.umask(0o077);
const places = await readPlaces(process.argv[2] ?? "", process.env);
const { config } = places;
const log = createLog("hub", config.logFile === undefined ? {} : { file: config.logFile });
const shutdown = new Shutdown(log);
shutdown.onSignals();

const processes = new Processes(clock, log);
shutdown.add("ingest and broker", () => processes.stopAll());
await startIngest(processes, places);
if (places.brokerUrl === undefined) await startBrokerProcess(processes, places);
const toIngest = openLink({ unixPath: places.ingestSocket }, { maxMessageBytes: 20 << 20 });
shutdown.add("link to ingest", () => toIngest.close());

const stores = [places.storeUrl, places.backupUrl].map((url) => fileURLToPath(url));
const ingest = clientOf(IngestService, toIngest);
const modules = [
  sites,
  users,
  cases,
  hearings,
  takes({ ingest, stores, derivedFolder: places.derivedFolder }),
  devices,
  rooms,
  alarms({ ingest }),
  audits,
];
const house = await buildHouse({ databaseUrl: places.databaseUrl.reveal(), clock, log, modules });
shutdown.add("modules and database", () => house.close());
const userService = house.api<UsersService>("users");
if (config.bootstrapFile !== undefined)
  await bootstrap(config.bootstrapFile, { sites: house.api<SitesService>("sites"), users: userService });

const { agents, audit, broker } = house.platform;
await agents.listen(places.callSocket);
const hubTls = await tlsFor(config.tlsFolder);
// Another broker's refusals are its own to tell.
if (places.brokerUrl === undefined)
  broker.hearTopic(REFUSALS, (text) => {
    const { from, act } = JSON.parse(text) as Refusal;
    audit.stranger(`mqtt.${act}`, from, "MQTT_REFUSED", log);
  });
broker.start(async () => {
  if (places.brokerUrl) return mqttAddressOf(places.brokerUrl.reveal(), hubTls);
  const port = Number(await readIfThere(places.brokerPortFile));
  return port > 0 ? { host: "localhost", port, tls: hubTls } : undefined;
});

const control = await serveControl(places.controlSocket, userService, log);
shutdown.add("control socket", () => control.close());

const door = createDoor(house.platform, (session) => userService.callerOf(session), log);
const implementations = house.rpc;
const grpc = await startGrpcServer({
  implementations,
  door,
  host: config.grpcHost,
  port: config.grpcPort,
  tls: hubTls,
});
shutdown.add("gRPC", () => grpc.close());

const web = await startWeb({
  host: config.portalHost,
  port: config.portalPort,
  tls: config.portalTlsFolder === undefined ? undefined : await tlsFor(config.portalTlsFolder),
  names: config.portalNames,
  instance: config.instance,
  server: "hub",
  portalFolder: places.portalFolder,
  implementations,
  door,
  middleware: house.http,
  clock,
  log,
  refused: (why, path, from) => audit.stranger(`web.${path}`, from, `WEB_${why}`, log),
});
shutdown.add("portal", () => web.close());

const ports = {
  portalPort: web.port,
  grpcPort: grpc.port,
  agentPort: await portFrom(places.ingestPortFile, clock, shutdown.signal),
  ...(places.brokerUrl === undefined && { brokerPort: await portFrom(places.brokerPortFile, clock, shutdown.signal) }),
};
if (config.readyFile !== undefined) await writeDurably(config.readyFile, `${JSON.stringify(ports)}\n`, 0o644);
log.info(ports, "the hub serves");
