import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { fromConnectError } from "./failure.ts";
import { MESSAGE_MAX_BYTES } from "./grpc.ts";

export type { Client } from "@connectrpc/connect";

/** A way to the other end. Clients made on it throw XiezhiError, the refusal as the other end meant it. */
export interface Link {
  transport: Transport;
  close(): void;
}

export interface LinkOptions {
  /** Largest answer that is read. */
  maxMessageBytes?: number;
  /** Shown as `authorization: Bearer …`. */
  bearer?: string;
  /** Pings this often, also while no call is open; a ping that is not answered within `pingTimeoutMs` ends all calls. */
  pingIntervalMs?: number;
  pingTimeoutMs?: number;
}

export interface TlsAddress {
  host: string;
  port: number;
  tls: LinkTls;
  /** What is spoken there (ALPN, RFC 7301), `h2` where absent. */
  alpn?: string;
}

export type LinkAddress = TlsAddress | { unixPath: string };

export interface LinkTls {
  ca: string;
  key?: string;
  cert?: string;
  /** Name that the server's certificate must bear, where it is not the host. */
  serverName?: string;
}

/** A typed client of a service. */
export function clientOf<S extends DescService>(service: S, link: Link): Client<S> {
  const plain = createClient(service, link.transport) as Record<string, (...args: unknown[]) => unknown>;
  const client: typeof plain = {};
  for (const { localName } of service.methods) client[localName] = (...args) => withOurErrors(plain[localName]?.(...args));
  return client as Client<S>;
}

function withOurErrors(result: unknown): unknown {
  if (result instanceof Promise) return result.catch(rethrow);
  return eachOrOurError(result as AsyncIterable<unknown>);
}

async function* eachOrOurError(messages: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
  try {
    yield* messages;
  } catch (error) {
    rethrow(error);
  }
}

function rethrow(error: unknown): never {
  throw fromConnectError(error);
}

/** A link that connects when it is first used, and again when it was lost. */
export function openLink(address: LinkAddress, options: LinkOptions = {}): Link {
  if ("unixPath" in address) return linkOver(() => connectNet(address.unixPath), "http://local", options);
  return linkOver(() => dialTls(address), `https://${address.host}:${address.port}`, options);
}

/** Dials with TLS and the protocol's name (ALPN, RFC 7301); the socket may not be connected yet. */
export function dialTls({ host, port, tls, alpn = "h2" }: TlsAddress): TLSSocket {
  const { ca, key, cert, serverName } = tls;
  return connectTls({
    host,
    port,
    ca,
    ...(key !== undefined && { key }),
    ...(cert !== undefined && { cert }),
    ...(serverName !== undefined && { servername: serverName }),
    ALPNProtocols: [alpn],
    minVersion: "TLSv1.3",
  });
}

/** A link over a connection that somebody else opens. */
export function linkOver(connection: () => Socket, baseUrl: string, options: LinkOptions = {}): Link & { connect(): void } {
  const { maxMessageBytes = MESSAGE_MAX_BYTES, bearer, pingIntervalMs, pingTimeoutMs } = options;
  const pings =
    pingIntervalMs === undefined ? {} : { pingIntervalMs, pingTimeoutMs: pingTimeoutMs ?? pingIntervalMs, pingIdleConnection: true };
  const sessionManager = new Http2SessionManager(
    baseUrl,
    { ...pings, idleConnectionTimeoutMs: NEVER_MS },
    { createConnection: connection, settings: { initialWindowSize: WINDOW_BYTES, enablePush: false } },
  );
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    readMaxBytes: maxMessageBytes,
    acceptCompression: [],
    interceptors: bearer === undefined ? [] : [showBearer(bearer)],
  });
  return { transport, connect: () => void sessionManager.connect(), close: () => sessionManager.abort() };
}

/** What the other end may send on one stream before it waits for us. */
const WINDOW_BYTES = 1 << 20;
/** Longest that a timer of Node counts. */
const NEVER_MS = 2 ** 31 - 1;

function showBearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
