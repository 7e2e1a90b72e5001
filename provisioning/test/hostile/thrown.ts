import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import type { Scene } from "../whole-hearing.ts";
import { after, bomb, call, garbage, HUGE_BYTES, huge, hugeMessage, type Outcome, pour, tcp, tls, truncatedMessage } from "./floods.ts";

/** One thing that is thrown at a server. */
export interface Thrown {
  name: string;
  at(): Promise<Outcome>;
  /** What the server says of it, where it says something. */
  hears?: RegExp;
}

function* chunked(pieces: Iterable<Uint8Array>): Generator<Uint8Array | string> {
  for (const piece of pieces) {
    yield `${piece.length.toString(16)}\r\n`;
    yield piece;
    yield "\r\n";
  }
}

const LOG_IN = "/xiezhi.users.v1.UsersService/LogIn";
const KNOWN_WITHIN_MS = 60_000;
/** RESOURCE_EXHAUSTED. */
const TOO_LARGE = /status 8 /;

/** A session's cookie. A room lets people in once the hub has told it who they are. */
async function cookieOf(url: string, login: string, password: string): Promise<string> {
  const ask = { method: "POST", headers: { origin: url, "content-type": "application/json" }, body: JSON.stringify({ login, password }) };
  for (const deadlineMs = clock.nowMs() + KNOWN_WITHIN_MS; ; await clock.sleep(100)) {
    const answer = await fetch(`${url}${LOG_IN}`, ask);
    const [cookie] = answer.headers.getSetCookie();
    if (cookie !== undefined) return cookie.split(";")[0]!;
    assert.ok(clock.nowMs() < deadlineMs, `${url} does not let ${login} in: ${await answer.text()}`);
  }
}

/** Where pages are served: the portal, and a room's own address. */
async function thrownAtPages(url: string, login: string, password: string): Promise<Thrown[]> {
  const { port, host, origin } = new URL(url);
  const to = () => tcp(Number(port));
  const post = (path: string, ...headers: string[]) =>
    [`POST ${path} HTTP/1.1`, `host: ${host}`, `origin: ${origin}`, "content-type: application/json", ...headers, "", ""].join("\r\n");
  const cookie = await cookieOf(url, login, password);
  const socket = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", `sec-websocket-key: ${"A".repeat(22)}==`];
  const upgrade = ["GET /socket HTTP/1.1", `host: ${host}`, `origin: ${origin}`, `cookie: ${cookie}`, ...socket, "", ""].join("\r\n");
  // RFC 6455 5.2: a masked binary frame with its length in 8 bytes.
  const frame = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
  frame.writeBigUInt64BE(BigInt(HUGE_BYTES), 2);
  return [
    { name: "garbage", at: async () => pour(await to(), garbage()) },
    { name: "a truncated request", at: async () => pour(await to(), [post(LOG_IN, "content-length: 1000"), "{"]) },
    { name: "a body of 100 MiB", at: async () => pour(await to(), after(post(LOG_IN, `content-length: ${HUGE_BYTES}`), huge())) },
    { name: "100 MiB in chunks", at: async () => pour(await to(), after(post(LOG_IN, "transfer-encoding: chunked"), chunked(huge()))) },
    {
      name: "100 MiB for a path that is not there",
      at: async () => pour(await to(), after(post("/no", `content-length: ${HUGE_BYTES}`), huge())),
    },
    {
      name: "a WebSocket frame of 100 MiB",
      at: async () => pour(await to(), after(upgrade, after(frame, huge()))),
      hears: /101 Switching/,
    },
    { name: "garbage on a WebSocket", at: async () => pour(await to(), after(upgrade, garbage())), hears: /101 Switching/ },
  ];
}

function thrownAtTls(port: number, certificates: object, method: string): Thrown[] {
  const to = () => tls(port, { ...certificates, ALPNProtocols: ["h2"] });
  const gzip = { "grpc-encoding": "gzip" };
  return [
    { name: "garbage instead of TLS", at: async () => pour(await tcp(port), garbage()) },
    { name: "100 MiB instead of TLS", at: async () => pour(await tcp(port), huge()) },
    { name: "garbage instead of HTTP/2", at: async () => pour(await to(), garbage()) },
    { name: "a truncated frame", at: async () => pour(await to(), ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Buffer.from([0, 0, 100, 1])]) },
    { name: "a garbled call", at: async () => call(await to(), method, {}, garbage()) },
    { name: "a truncated message", at: async () => call(await to(), method, {}, truncatedMessage()) },
    { name: "a message of 100 MiB", at: async () => call(await to(), method, {}, hugeMessage()), hears: TOO_LARGE },
    { name: "a message of 100 MiB once unpacked", at: async () => call(await to(), method, gzip, bomb()), hears: TOO_LARGE },
  ];
}

/** A string with its length (MQTT 3.1.1 1.5.3). */
function mqttText(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

/** A packet's first byte and remaining length (MQTT 3.1.1 2.2). */
function mqttHead(kind: number, bytes: number): Buffer {
  const head = [kind];
  let left = bytes;
  do {
    head.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>>= 7;
  } while (left > 0);
  return Buffer.from(head);
}

function thrownAtBroker({ port, members }: { port: number; members: { name: string; password: string }[] }): Thrown[] {
  const [{ name, password } = { name: "", password: "" }] = members;
  const level = Buffer.concat([mqttText("MQTT"), Buffer.from([4, 0xc2, 0, 60])]);
  const login = Buffer.concat([level, ...[name, name, password].map((text) => mqttText(text))]);
  const connected = Buffer.concat([mqttHead(0x10, login.length), login]);
  return [
    { name: "garbage", at: async () => pour(await tcp(port), garbage()) },
    { name: "a truncated CONNECT", at: async () => pour(await tcp(port), [mqttHead(0x10, 100), level]) },
    { name: "a CONNECT of 100 MiB", at: async () => pour(await tcp(port), after(mqttHead(0x10, HUGE_BYTES), huge())) },
    {
      name: "a PUBLISH of 100 MiB",
      at: async () => pour(await tcp(port), after(Buffer.concat([connected, mqttHead(0x30, HUGE_BYTES)]), huge())),
    },
  ];
}

function identityIn(folder: string): { ca: string; cert: string; key: string } {
  const read = (name: string) => readFileSync(join(folder, `${name}.pem`), "utf8");
  return { ca: read("ca"), cert: read("cert"), key: read("key") };
}

/** By server; each is thrown at as by its own peers, whose certificates and sessions are in order. */
export async function thrownAtEach(scene: Scene): Promise<Map<string, Thrown[]>> {
  const ready = JSON.parse(readFileSync(join(scene.home, "hub/ready.json"), "utf8"));
  const agent = JSON.parse(readFileSync(join(scene.home, "agents", scene.room.id, "agent.json"), "utf8"));
  const hub = identityIn(join(scene.home, "hub/tls"));
  const { logins, pins, portalUrl, roomUrls } = scene.court;
  return new Map([
    ["portal", await thrownAtPages(portalUrl, "clerk", logins["clerk"]!)],
    ["room's own address", await thrownAtPages(roomUrls.get(scene.room.id)!, "clerk", pins["clerk"]!)],
    ["hub gRPC", thrownAtTls(ready.grpcPort, { ca: hub.ca }, LOG_IN)],
    ["agent port", thrownAtTls(agent.hub.port, identityIn(agent.tlsFolder), "/xiezhi.media.v1.UplinkService/SendParcels")],
    ["agent gRPC", thrownAtTls(agent.grpcPort, hub, "/xiezhi.rooms.v1.RoomService/Mark")],
    ["room broker", thrownAtBroker(agent.mqtt)],
  ]);
}
