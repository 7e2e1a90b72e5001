/** MQTT clients at a broker over mutual TLS: `clients.main.ts JSON-OF-Load`. Says what it saw. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { connectAsync, type MqttClient } from "mqtt";

export interface Load {
  port: number;
  /** Folders of key.pem, cert.pem and ca.pem: the hub's, and a room's. */
  hub: string;
  room: string;
  /** The room's own prefix, with the slash. */
  prefix: string;
  what: { kind: "stream"; devices: number; bytes: number } | { kind: "idle"; connections: number } | { kind: "command"; count: number };
}

const KEEP_ALIVE_S = 60;
/** Messages that one device has under way. */
const UNDER_WAY = 10;
/** Connections that are being made at one time. */
const AT_ONCE = 50;

const load = JSON.parse(process.argv[2] ?? "") as Load;

async function tlsOf(folder: string) {
  const [key, cert, ca] = await Promise.all(["key.pem", "cert.pem", "ca.pem"].map((name) => readFile(join(folder, name), "utf8")));
  return { key: key!, cert: cert!, ca: ca! };
}

const [hubTls, roomTls] = await Promise.all([tlsOf(load.hub), tlsOf(load.room)]);
const come = (clientId: string, tls: typeof hubTls): Promise<MqttClient> =>
  connectAsync(`mqtts://localhost:${load.port}`, { ...tls, clientId, protocolVersion: 4, reconnectPeriod: 0, keepalive: KEEP_ALIVE_S });

/** As many devices of one room, each of which subscribes to its commands. */
async function comeMany(count: number): Promise<MqttClient[]> {
  const clients: MqttClient[] = [];
  for (let at = 0; at < count; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - at) }, async (_, number) => {
      const client = await come(`device-${at + number}`, roomTls);
      await client.subscribeAsync(`${load.prefix}device-${at + number}/command`, { qos: 1 });
      return client;
    });
    clients.push(...(await Promise.all(some)));
  }
  return clients;
}

const stopped = new Promise<void>((resolve) => process.once("message", () => resolve()));
process.on("disconnect", () => process.exit());

switch (load.what.kind) {
  case "stream": {
    const hub = await come("hub", hubTls);
    await hub.subscribeAsync("xiezhi/+/+/+/state", { qos: 1 });
    const devices = await comeMany(load.what.devices);
    const payload = Buffer.alloc(load.what.bytes, "x");
    let [arrived, running] = [0, true];
    hub.on("message", () => (arrived += 1));
    const stream = async (client: MqttClient, number: number) => {
      while (running) await client.publishAsync(`${load.prefix}device-${number}/state`, payload, { qos: 1 });
    };
    const streams = devices.flatMap((client, number) => Array.from({ length: UNDER_WAY }, () => stream(client, number)));
    process.send?.("loaded");
    const before = arrived;
    await stopped;
    const counted = arrived - before;
    running = false;
    await Promise.all(streams);
    process.send?.(counted);
    break;
  }
  case "idle": {
    const beganUs = clock.monoUs();
    await comeMany(load.what.connections);
    process.send?.((clock.monoUs() - beganUs) / 1e3);
    await stopped;
    process.send?.("stopped");
    break;
  }
  case "command": {
    const hub = await come("hub", hubTls);
    const [device] = await comeMany(1);
    const ms: number[] = [];
    for (let number = 0; number < load.what.count; number++) {
      const heard = new Promise<void>((resolve) => device!.once("message", () => resolve()));
      const beganUs = clock.monoUs();
      hub.publish(`${load.prefix}device-0/command`, `{"id":"${number}"}`, { qos: 1 });
      await heard;
      ms.push((clock.monoUs() - beganUs) / 1e3);
    }
    process.send?.(ms);
    await stopped;
    process.send?.("stopped");
    break;
  }
}
process.exit();
