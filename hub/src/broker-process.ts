import { fileURLToPath } from "node:url";
import { writeDurably } from "@xiezhi/base/files.ts";
import type { Processes } from "@xiezhi/base/processes.ts";
import type { Places } from "./places.ts";

const PROGRAM = fileURLToPath(new URL("broker/broker.main.ts", import.meta.url));

/** The hub's own broker, run beside main; not where BROKER_URL names another. */
export async function startBrokerProcess(processes: Processes, { config, brokerConfigFile, brokerPortFile }: Places): Promise<void> {
  const { brokerHost: host, brokerPort: port, tlsFolder, logFile } = config;
  const told = { host, port, portFile: brokerPortFile, tlsFolder, ...(logFile === undefined ? {} : { logFile }) };
  await writeDurably(brokerConfigFile, `${JSON.stringify(told, null, 2)}\n`);
  processes.start({
    name: "broker",
    command: process.execPath,
    args: [PROGRAM, brokerConfigFile],
    restart: "always",
    ...(logFile === undefined ? {} : { logFile }),
  });
}
