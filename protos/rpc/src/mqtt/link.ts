import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";

const AGAIN_MS = 500;
/** The broker takes a client for dead after one and a half times this (MQTT 3.1.1 clause 3.1.2.10): 3 s. */
const KEEP_ALIVE_S = 2;
const CONNECT_WITHIN_MS = 5_000;

/** Where a broker is and as whom one comes. PEM in `tls`; without it the connection is plain. */
export interface MqttAddress {
  host: string;
  port: number;
  tls?: { key: string; cert: string; ca: string };
  username?: string;
  password?: string;
}

/**
 * What a broker's URL says: `mqtts://[user:password@]host[:8883]`, or `mqtt://` on loopback only. `tls` is shown to an mqtts broker.
 * Throws what is wrong with it, without the password.
 */
export function mqttAddressOf(url: string, tls: { key: string; cert: string; ca: string }): MqttAddress {
  const read = URL.parse(url);
  if (!read || !["mqtt:", "mqtts:"].includes(read.protocol)) throw new Error("a broker's URL begins with mqtts:// or mqtt://");
  const { protocol, hostname, port, username, password } = read;
  if (protocol === "mqtt:" && !["localhost", "127.0.0.1", "[::1]"].includes(hostname))
    throw new Error(`${hostname}: a broker on another machine is reached by mqtts:// only`);
  return {
    host: hostname,
    port: Number(port) || (protocol === "mqtts:" ? 8883 : 1883),
    ...(protocol === "mqtts:" && { tls }),
    ...(username !== "" && { username: decodeURIComponent(username), password: decodeURIComponent(password) }),
  };
}

export interface MqttLinkOptions {
  clock: Clock;
  log: Log;
  /** Unique at its broker: a second client of the same id takes the first one's place. */
  clientId: string;
  /** Asked before each attempt; undefined while it isn't known. */
  address(): MqttAddress | undefined | Promise<MqttAddress | undefined>;
  /** What is subscribed, QoS 1, on each connection. */
  filters: readonly string[];
  /** Published by the broker, retained, when this connection dies without a word. */
  will?: { topic: string; payload: string };
  /** Subscribed and ready. The broker remembers nothing of a client: each connection begins anew. */
  connected?(): void;
  /** The connection is lost. */
  gone?(): void;
  /** The broker is told that it arrived once this has resolved. */
  heard(topic: string, text: string, retained: boolean): void | Promise<void>;
}

/** A connection to a broker that is made again whenever it is lost. MQTT 3.1.1, clean sessions, QoS 1. */
export class MqttLink {
  private readonly options: MqttLinkOptions;
  private readonly stopped = new AbortController();
  private client: MqttClient | undefined;
  private running: Promise<void> = Promise.resolve();
  private ready = false;

  constructor(options: MqttLinkOptions) {
    this.options = options;
  }

  get isConnected(): boolean {
    return this.ready;
  }

  start(): void {
    this.running = this.run();
  }

  /** Says goodbye: the will is not carried out. */
  async close(): Promise<void> {
    this.stopped.abort(new Error("shutting down"));
    await this.client?.endAsync().catch(() => undefined);
    await this.running;
  }

  /** Resolves once the broker has it; rejects when there is no connection or it is lost meanwhile. */
  async publish(topic: string, text: string, { retain = false } = {}): Promise<void> {
    const { client } = this;
    if (!client || !this.ready) throw new Error("not connected to the broker");
    await new Promise<void>((resolve, reject) => {
      const lost = () => reject(new Error("the connection to the broker was lost"));
      client.once("close", lost);
      client.publish(topic, text, { qos: 1, retain }, (error) => {
        client.off("close", lost);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  private async run(): Promise<void> {
    const { clock, log } = this.options;
    const { signal } = this.stopped;
    for (let told = ""; !signal.aborted; ) {
      const why = await this.attempt().catch((error: unknown) => (error as Error).message);
      if (this.ready) this.options.gone?.();
      else if (why !== told && !signal.aborted) log.warn({ why }, "the broker can't be reached");
      told = this.ready ? "" : why;
      this.ready = false;
      this.client = undefined;
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }

  /** One connection, from its beginning to its end; resolves with why it ended. */
  private async attempt(): Promise<string> {
    const { filters, connected } = this.options;
    const address = await this.options.address();
    if (!address) return "it has not said where it is";
    if (this.stopped.signal.aborted) return "";
    const client = connect(this.connection(address));
    this.client = client;
    // An unknown error event would end the process; `close` always follows it.
    let why = "the connection was lost";
    client.on("error", (error) => {
      why = error.message;
    });
    client.setMaxListeners(0);
    client.handleMessage = (packet, done) => void this.hear(packet).then(() => done(), done);
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.once("connect", () => {
      client.subscribe([...filters], { qos: 1 }, (error, granted) => {
        const refused = error ?? granted?.find(({ qos }) => qos > 2);
        if (refused) {
          why = "the broker refuses a subscription";
          client.end(true);
          return;
        }
        this.ready = true;
        connected?.();
      });
    });
    await closed;
    client.end(true);
    return why;
  }

  private connection({ host, port, tls, username, password }: MqttAddress): IClientOptions {
    const { clientId, will } = this.options;
    return {
      host,
      port,
      protocol: tls ? "mqtts" : "mqtt",
      protocolVersion: 4,
      clientId,
      clean: true,
      keepalive: KEEP_ALIVE_S,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_WITHIN_MS,
      ...tls,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(will && { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1 as const, retain: true } }),
    };
  }

  private async hear({ topic, payload, retain }: IPublishPacket): Promise<void> {
    await this.options.heard(topic, payload.toString(), retain);
  }
}
