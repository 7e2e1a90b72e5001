import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { test, type TestContext } from "node:test";
import { silentLog } from "@xiezhi/base/log.ts";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { startBroker } from "./broker.ts";

const heardBy = (client: MqttClient) =>
  new Promise<string>((resolve) => client.once("message", (topic, payload) => resolve(`${topic} ${payload.toString()}`)));
const closeOf = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));

/** Each may use what begins with its own name. */
async function brokerFor(t: TestContext) {
  const refusals: string[] = [];
  const own = ({ name }: { name: string }, topic: string) => topic.startsWith(`${name}/`) && !topic.includes("#");
  const broker = await startBroker({
    log: silentLog,
    host: "127.0.0.1",
    port: 0,
    packetBytes: 10_000,
    connectWithinMs: 300,
    door: {
      admit: ({ clientId, username, password }) => (password === "right" && username ? { name: username, clientId } : undefined),
      mayPublish: own,
      maySubscribe: own,
      refused: (_from, clientId, act, what) => refusals.push(`${clientId} ${act} ${what}`),
    },
  });
  t.after(() => broker.close());
  const join = async (name: string, more: IClientOptions = {}) => {
    const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      clientId: name,
      username: name,
      password: "right",
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...more,
    });
    t.after(() => client.endAsync(true));
    return client;
  };
  return { broker, join, refusals };
}

test("what the door allows is carried, retained and told to who comes later", async (t) => {
  const { join } = await brokerFor(t);
  const first = await join("a");
  await first.publishAsync("a/state", "one", { qos: 1, retain: true });
  await first.endAsync();
  const again = await join("a");
  const heard = heardBy(again);
  await again.subscribeAsync("a/+", { qos: 1 });
  assert.equal(await heard, "a/state one");
});

test("a stranger, another's id, a foreign will, topic and filter are refused; the broker and the others live on", async (t) => {
  const { join, refusals } = await brokerFor(t);
  const witness = await join("b");
  await assert.rejects(join("a", { password: "wrong" }));
  await assert.rejects(join("b", { username: "a" }));
  await assert.rejects(join("a", { will: { topic: "b/state", payload: Buffer.from("x") } }));
  const a = await join("a");
  for (const filter of ["#", "+/state", "b/state", "$SYS/#", "a/#"]) await assert.rejects(a.subscribeAsync(filter));
  const gone = closeOf(a);
  a.publish("b/state", "x", { qos: 1 });
  await gone;
  assert.deepEqual(
    refusals.filter((it) => !/packet/.test(it)),
    [
      "a connect a",
      "b connect id taken",
      "a will b/state",
      "# +/state b/state $SYS/# a/#".split(" ").map((it) => `a subscribe ${it}`),
      "a publish b/state",
    ].flat(),
  );
  const heard = heardBy(witness);
  await witness.subscribeAsync("b/x");
  await witness.publishAsync("b/x", "alive", { qos: 1 });
  await heard;
});

test("nothing is kept for a client that went, and its id is free: no other hears by its subscriptions", async (t) => {
  const { join } = await brokerFor(t);
  const first = await join("a", { clean: false });
  await first.subscribeAsync("a/secret", { qos: 1 });
  await first.endAsync();
  const other = await join("a", { clean: false, username: "b" });
  const heard = heardBy(other);
  const owner = await join("owner", { username: "a" });
  await owner.publishAsync("a/secret", "for a alone", { qos: 1 });
  await other.subscribeAsync("b/x");
  await other.publishAsync("b/x", "all it hears");
  assert.equal(await heard, "b/x all it hears");
});

test("a packet that is too large, garbage and a CONNECT that never comes end their connection and nothing else", async (t) => {
  const { broker, join, refusals } = await brokerFor(t);
  const witness = await join("b");
  const thrown = async (bytes: Buffer) => {
    const socket = dial(broker.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(bytes);
    await once(socket, "close");
  };
  // PUBLISH that says it has 268,435,455 bytes; CONNECT of 2 MB; a length without end; no MQTT at all; silence.
  await thrown(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  await thrown(Buffer.concat([Buffer.from([0x10, 0x80, 0x80, 0x7a]), Buffer.alloc(5_000)]));
  await thrown(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff]));
  await thrown(Buffer.from("GET / HTTP/1.1\r\n\r\n".repeat(50)));
  await thrown(Buffer.alloc(0));
  const big = await join("a");
  const gone = closeOf(big);
  big.publish("a/state", Buffer.alloc(20_000));
  await gone;
  assert.ok(
    refusals.some((it) => /a packet a packet of \d+ bytes/.test(it)),
    refusals.join(),
  );
  const deep = await join("a");
  const ended = closeOf(deep);
  deep.publish(`a/${"x/".repeat(200)}`, "x");
  await ended;
  await witness.publishAsync("b/x", "alive", { qos: 1 });
});
