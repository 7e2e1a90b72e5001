import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Clock, systemClock } from "@xiezhi/base/clock.ts";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { fromConnectError } from "./failure.ts";
import { MESSAGE_MAX_BYTES } from "./grpc.ts";
import { Http2Connection } from "./http2-connection.ts";
import { rpcErrors } from "./rpc.errors.ts";

export type { Client } from "@connectrpc/connect";

/** A way to the other end. Clients made on it throw XiezhiError, the refusal as the other end meant it. */
export interface Link {
  transport: Transport;
  close(): void;
}

interface LinkOptions {
  /** Largest answer that is read. */
  maxMessageBytes?: number;
  /** Shown as `authorization: Bearer …`. */
  bearer?: string;
  /** Pings this often, also while no call is open; a ping that is not answered when the next is due ends all calls. */
  pingMs?: number;
  clock?: Clock;
}

export interface TlsAddress {
  host: string;
  port: number;
  tls: LinkTls;
  /** What is spoken there (ALPN, RFC 7301), `h2` where absent. */
  alpn?: string;
}

type LinkAddress = TlsAddress | { unixPath: string };

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
  for (const { localName } of service.methods)
    client[localName] = (...args) => withOurErrors(plain[localName]?.(...args), (args[1] as CallOptions)?.signal);
  return client as Client<S>;
}

function withOurErrors(result: unknown, signal: AbortSignal | undefined): unknown {
  if (!(result instanceof Promise)) return eachOrOurError(result as AsyncIterable<unknown>, signal);
  return result.catch((error: unknown) => {
    throw ourError(error, signal);
  });
}

async function* eachOrOurError(messages: AsyncIterable<unknown>, signal: AbortSignal | undefined): AsyncGenerator<unknown, void> {
  try {
    yield* messages;
  } catch (error) {
    throw ourError(error, signal);
  }
}

/** A connection that breaks resets its calls as if they had been cancelled: it was so only when we did it. */
function ourError(error: unknown, signal: AbortSignal | undefined): XiezhiError {
  const ours = fromConnectError(error);
  return ours.reason === "RPC_CANCELLED" && !signal?.aborted ? rpcErrors.away("the connection was lost") : ours;
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
export function linkOver(open: () => Socket, authority: string, options: LinkOptions = {}): Link & { connect(): void } {
  const { maxMessageBytes = MESSAGE_MAX_BYTES, bearer, pingMs, clock = systemClock } = options;
  const connection = new Http2Connection({ authority, open, clock, ...(pingMs !== undefined && { pingMs }) });
  const transport = createGrpcTransport({
    baseUrl: authority,
    sessionManager: connection,
    readMaxBytes: maxMessageBytes,
    acceptCompression: [],
    interceptors: bearer === undefined ? [] : [showBearer(bearer)],
  });
  return { transport, connect: () => connection.connect(), close: () => connection.close() };
}

function showBearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
