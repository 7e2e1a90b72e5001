import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect as dial } from "node:tls";
import { systemClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { createAuthority, issue, tlsFor } from "@xiezhi/enrol/authority.ts";
import type { CertificateSubject } from "@xiezhi/enrol/peer.ts";
import { startBroker } from "@xiezhi/rpc/mqtt/broker.ts";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { certificateDoor, type Refusal } from "./certificate-door.ts";

const names = ["localhost", "127.0.0.1"];
const own = "xiezhi/court-1/courtroom-1/";
const other = "xiezhi/court-1/courtroom-2/";

async function startHubBroker(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "xz-broker-"));
  const authority = await createAuthority(join(folder, "authority"), systemClock);
  const certificate = async (name: string, subject: CertificateSubject) => {
    await issue(authority, subject, join(folder, name), systemClock);
    return tlsFor(join(folder, name));
  };
  const { key, cert, ca } = await certificate("hub", { kind: "program", name: "hub", names });
  const refusals: Refusal[] = [];
  const broker = await startBroker({
    log: silentLog,
    door: certificateDoor((refusal) => refusals.push(refusal)),
    host: "127.0.0.1",
    port: 0,
    tls: { key, cert, clientCa: ca },
  });
  t.after(async () => {
    await broker.close();
    await rm(folder, { recursive: true });
  });
  const come = async (name: string, subject: CertificateSubject, more: IClientOptions = {}): Promise<MqttClient> => {
    const tls = await certificate(name, subject);
    const client = await connectAsync(`mqtts://localhost:${broker.port}`, {
      ...tls,
      clientId: name,
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...more,
    });
    t.after(() => client.endAsync(true));
    return client;
  };
  const room = (roomId: string, more: IClientOptions = {}) => come(roomId, { kind: "room", siteId: "court-1", roomId }, more);
  return { broker, certificate, come, room, refusals };
}

const closeOf = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));

test("a room speaks and hears below its own prefix and nowhere else; the others live on, each refusal is told", async (t) => {
  const { room, refusals } = await startHubBroker(t);
  const [first, second] = [await room("courtroom-1"), await room("courtroom-2")];
  const seen: string[] = [];
  first.on("message", (topic) => seen.push(topic));
  await first.subscribeAsync(`${own}#`);
  for (const filter of [
    "#",
    "+/+/#",
    "xiezhi/+/+/+/state",
    `${other}#`,
    `${other}cam/state`,
    "$SYS/#",
    "$share/x/xiezhi/#",
    "broker/refusals",
  ])
    await assert.rejects(first.subscribeAsync(filter), filter);
  for (const topic of [
    `${other}cam/state`,
    `${own}cam/command`,
    `${own}cam/anything`,
    "$SYS/x",
    `${own}${"a/".repeat(10)}state`,
    "xiezhi",
  ]) {
    const liar = await room("courtroom-1", { clientId: "liar" });
    const gone = closeOf(liar);
    liar.publish(topic, "x", { qos: 1 });
    await gone;
  }
  await assert.rejects(room("courtroom-1", { clientId: "w", will: { topic: `${other}cam/state`, payload: Buffer.from("dead") } }));
  await assert.rejects(room("courtroom-1", { clientId: "courtroom-2" }), undefined);
  await second.publishAsync(`${other}cam/state`, "alive", { qos: 1 });
  await first.publishAsync(`${own}cam/state`, "alive", { qos: 1 });
  while (seen.length === 0) await systemClock.sleep(5);
  assert.deepEqual(seen, [`${own}cam/state`]);
  const acts = refusals.map(({ act }) => act).filter((act) => act !== "packet");
  assert.deepEqual(acts, [...Array<string>(8).fill("subscribe"), ...Array<string>(6).fill("publish"), "will", "connect"]);
});

test("the hub hears every room and commands; it says no state; nobody comes without a certificate of ours", async (t) => {
  const { broker, certificate, come, room } = await startHubBroker(t);
  const hub = await come("hub-client", { kind: "program", name: "hub", names });
  const heard = new Promise<string>((resolve) => hub.once("message", (topic) => resolve(topic)));
  await hub.subscribeAsync(["xiezhi/+/+/+/state", "broker/refusals"]);
  await assert.rejects(hub.subscribeAsync("#"));
  const first = await room("courtroom-1");
  await first.publishAsync(`${own}cam/state`, "x", { qos: 1, retain: true });
  assert.equal(await heard, `${own}cam/state`);
  const obeyed = new Promise<string>((resolve) => first.once("message", (topic) => resolve(topic)));
  await first.subscribeAsync(`${own}+/command`);
  await hub.publishAsync(`${own}cam/command`, "x", { qos: 1 });
  assert.equal(await obeyed, `${own}cam/command`);
  const gone = closeOf(hub);
  hub.publish(`${own}cam/state`, "x", { qos: 1 });
  await gone;
  await assert.rejects(come("other", { kind: "program", name: "other", names }));
  // TLS itself keeps out who shows no certificate, or one that is for servers only.
  for (const shown of [{}, await certificate("plain", { kind: "server", names })]) {
    const socket = dial({ ...shown, host: "localhost", port: broker.port, rejectUnauthorized: false }).on("error", () => undefined);
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  }
});
