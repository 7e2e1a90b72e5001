/** The hub's MQTT broker, a process of its own: retained states live as long as it does, and rooms say them anew to the next. */
import { readFile } from "node:fs/promises";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { tlsFor } from "@xiezhi/enrol/authority.ts";
import { startBroker } from "@xiezhi/rpc/mqtt/broker.ts";
import { BrokerConfig } from "./broker.config.ts";
import { certificateDoor, REFUSALS } from "./certificate-door.ts";

const file = process.argv[2] ?? "";
const config = readConfig(BrokerConfig, JSON.parse(await readFile(file, "utf8")), "broker");
const log = createLog("broker", config.logFile === undefined ? {} : { file: config.logFile });
const shutdown = new Shutdown(log);
shutdown.onSignals();
shutdown.withParent(systemClock);

const { key, cert, ca } = await tlsFor(config.tlsFolder);
const broker = await startBroker({
  log,
  door: certificateDoor((refusal) => {
    log.warn(refusal, "refused at the broker");
    broker.publish(REFUSALS, JSON.stringify(refusal));
  }),
  host: config.host,
  port: config.port || Number((await readIfThere(config.portFile)) ?? 0),
  tls: { key, cert, clientCa: ca },
});
shutdown.add("broker", () => broker.close());
await writeDurably(config.portFile, String(broker.port), 0o644);
log.info({ port: broker.port }, "the broker serves");
