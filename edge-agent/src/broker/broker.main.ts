/** The room's MQTT broker, a process of its own: its death costs no recording. Usage: node broker.main.ts <config.json> */
import { readFile } from "node:fs/promises";
import { systemClock } from "@xiezhi/base/clock.ts";
import { config, field, readConfig } from "@xiezhi/base/config.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { startBroker } from "@xiezhi/rpc/mqtt/broker.ts";
import { z } from "zod";
import { roomDoor } from "./room-door.ts";

const BrokerConfig = config({
  siteId: field.text("The court or detention centre"),
  roomId: field.text("The room"),
  port: field.int("On loopback; 0: the one it had last, else a free one", { max: 65_535 }),
  portFile: field.text("Where the port is written once the broker serves"),
  members: field.list(
    "Who may come",
    config({
      name: field.text("Login, and the device's id where it is one"),
      kind: z.enum(["supervisor", "bridge", "technician", "flow", "device"]).describe("What it may do"),
      password: field.secret("Shown as *** everywhere"),
    }),
  ),
});

const file = process.argv[2] ?? "";
const { siteId, roomId, port, portFile, members } = readConfig(BrokerConfig, JSON.parse(await readFile(file, "utf8")), "broker");
const log = createLog(`broker ${siteId}/${roomId}`);
const shutdown = new Shutdown(log);
shutdown.onSignals();

shutdown.withParent(systemClock);

const broker = await startBroker({
  log,
  door: roomDoor({ siteId, roomId }, members, log),
  host: "127.0.0.1",
  port: port || Number((await readIfThere(portFile)) ?? 0),
});
shutdown.add("broker", () => broker.close());
await writeDurably(portFile, String(broker.port), 0o644);
log.info({ port: broker.port }, "the room's broker serves");
