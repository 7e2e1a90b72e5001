import { createServer as createPlainServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Log } from "@xiezhi/base/log.ts";
import { Aedes, type Client } from "aedes";
import { certificateOf } from "../tls.ts";
import { FrameGuard } from "./frame-guard.ts";

/** What somebody shows at the broker's door. `uris`: of a certificate that TLS has verified. */
export interface MqttLogin {
  clientId: string;
  username: string | undefined;
  password: string | undefined;
  uris: readonly string[];
  from: string;
}

/** Who may do what, decided by whoever runs the broker. All of it is asked for every packet: it must be cheap. */
export interface MqttDoor<Who extends { readonly name: string }> {
  /** Undefined: refused. A second client of an id takes the first one's place, where both are admitted under the same name. */
  admit(login: MqttLogin): Who | undefined | Promise<Who | undefined>;
  /** Also asked of a will, when it is left and again when it is carried out. */
  mayPublish(who: Who, topic: string, retain: boolean): boolean;
  maySubscribe(who: Who, filter: string): boolean;
  /** Somebody was kept from something; `what` is a topic, a filter or the reason of a break. */
  refused(from: string, clientId: string, act: "connect" | "publish" | "subscribe" | "will" | "packet", what: string): void;
}

export interface BrokerOptions<Who extends { readonly name: string }> {
  log: Log;
  door: MqttDoor<Who>;
  host: string;
  port: number;
  /** PEM. Mutual: a client without a certificate of `clientCa` gets no connection. Without it: for loopback only. */
  tls?: { key: string; cert: string; clientCa: string };
  /** Largest packet taken, bytes. */
  packetBytes?: number;
  /** How long a connection may wait with its CONNECT, milliseconds. */
  connectWithinMs?: number;
}

export interface Broker {
  port: number;
  /** Said by the broker itself, past the door. */
  publish(topic: string, text: string): void;
  close(): Promise<void>;
}

const CONNECT_BYTES = 4_096;
const PACKET_BYTES = 262_144;
const CONNECT_WITHIN_MS = 5_000;
/** MQTT 3.1.1 names no limit; ours have five levels, and third-party devices some more. */
const TOPIC_LEVELS = 16;

/** An MQTT 3.1.1 broker (aedes) without memory: retained messages live as long as its process. Every login, publish, will and filter passes the door. */
export async function startBroker<Who extends { readonly name: string }>(options: BrokerOptions<Who>): Promise<Broker> {
  const { log, door, tls, packetBytes = PACKET_BYTES } = options;
  if (!tls && options.host !== "127.0.0.1") throw new Error(`${options.host}: a broker without TLS listens on 127.0.0.1 only`);
  const known = new WeakMap<Client, Who>();
  const seen = new WeakMap<Client, { from: string; uris: readonly string[] }>();
  const fromOf = (client: Client) => seen.get(client)?.from ?? "";
  const connected = new Map<string, Client>();
  const ownerOf = (clientId: string) => {
    const client = connected.get(clientId);
    return client && known.get(client)?.name;
  };

  const aedes = await Aedes.createBroker({
    connectTimeout: options.connectWithinMs ?? CONNECT_WITHIN_MS,
    maxTopicLevels: TOPIC_LEVELS,
    preConnect(client, packet, done) {
      const shown = seen.get(client) ?? { from: "", uris: [] };
      const { clientId, username, password, will } = packet;
      // Nothing is kept for who comes again: subscriptions that another has left under this id would pass the door.
      packet.clean = true;
      const login = { clientId, username, password: password?.toString(), uris: shown.uris, from: shown.from };
      // The answer waits for `authenticate`: only from there is a client told that it is not admitted (CONNACK 5).
      const decide = (who: Who | undefined) => {
        if (who === undefined) door.refused(shown.from, clientId, "connect", username ?? "");
        else if (ownerOf(clientId) !== undefined && ownerOf(clientId) !== who.name)
          door.refused(shown.from, clientId, "connect", "id taken");
        // At the door and not at the death: a will that may not be is refused while somebody is there to be told.
        else if (will && !door.mayPublish(who, will.topic, will.retain ?? false)) door.refused(shown.from, clientId, "will", will.topic);
        else known.set(client, who);
        done(null, true);
      };
      Promise.resolve(door.admit(login)).then(decide, (error: unknown) => {
        log.error({ err: error }, "nobody can be admitted");
        decide(undefined);
      });
    },
    authenticate: (client, _username, _password, done) => done(null, known.has(client)),
    authorizePublish(client, { topic, retain }, done) {
      const who = client ? known.get(client) : undefined;
      if (who !== undefined && door.mayPublish(who, topic, retain)) return done(null);
      if (client) door.refused(fromOf(client), client.id, "publish", topic);
      done(new Error("not allowed"));
    },
    authorizeSubscribe(client, subscription, done) {
      const who = known.get(client);
      if (who !== undefined && door.maySubscribe(who, subscription.topic)) return done(null, subscription);
      door.refused(fromOf(client), client.id, "subscribe", subscription.topic);
      // SUBACK 0x80 (3.9.3): the client is told, and stays.
      done(null, null);
    },
  });
  aedes.on("client", (client) => connected.set(client.id, client));
  aedes.on("clientDisconnect", (client) => {
    if (connected.get(client.id) === client) connected.delete(client.id);
  });
  for (const event of ["clientError", "connectionError"] as const)
    aedes.on(event, (client: Client, error: Error) => {
      door.refused(fromOf(client), client.id ?? "", "packet", error.message);
      log.warn({ client: client.id, why: error.message }, "a connection is broken off");
    });

  const sockets = new Set<Socket>();
  const take = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    guardReads(socket, new FrameGuard({ connectBytes: CONNECT_BYTES, packetBytes }));
    const client = aedes.handle(socket);
    const certificate = tls ? certificateOf((socket as TLSSocket).getPeerCertificate()) : undefined;
    seen.set(client, { from: socket.remoteAddress ?? "", uris: certificate?.uris ?? [] });
  };
  const server = tls
    ? createTlsServer({ key: tls.key, cert: tls.cert, ca: tls.clientCa, requestCert: true, rejectUnauthorized: true, noDelay: true }, take)
    : createPlainServer({ noDelay: true }, take);
  server.on("tlsClientError", (error) => log.debug({ why: error.message }, "TLS failed"));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options.port, options.host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    publish: (topic, text) =>
      aedes.publish({ cmd: "publish", topic, payload: Buffer.from(text), qos: 1, retain: false, dup: false }, () => undefined),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** aedes takes what came by `read`, once it is readable. A stream of our own between the two would cost a third of a message. */
function guardReads(socket: Socket, guard: FrameGuard): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  socket.read = (size?: number) => {
    const chunk = read(size);
    const problem = chunk === null ? undefined : guard.problemIn(chunk);
    if (problem === undefined) return chunk;
    socket.destroy(new Error(problem));
    return null;
  };
}
