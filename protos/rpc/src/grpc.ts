import { chmodSync, rmSync } from "node:fs";
import type { Http2Server } from "node:http2";
import type { Duplex } from "node:stream";
import type { Message } from "@bufbuild/protobuf";
import {
  Metadata,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { answer, answers, type Route, routesOf, type Visit } from "./gate.ts";
import { grpcMethod, grpcStatus } from "./grpc/codec.ts";
import { Health } from "./health.ts";
import { reflection } from "./grpc/reflection.ts";
import type { Credentials, Door, Implementation } from "./service.ts";
import { certificateOf } from "./tls.ts";

/** Most that one message may have, where nothing else is said. */
export const MESSAGE_MAX_BYTES = 4 << 20;

export interface GrpcServerOptions {
  implementations: readonly Implementation[];
  door: Door;
  /** Largest request that is read; a larger one gives RESOURCE_EXHAUSTED. */
  maxMessageBytes?: number;
  /** What `grpc.health.v1` tells; always serving where absent. */
  health?: Health;
}

type GrpcAddress =
  | {
      host: string;
      port: number;
      tls: { key: string; cert: string /** Asks for client certificates from this authority. */; clientCa?: string };
    }
  | { unixPath: string };

interface GrpcServer {
  /** 0 for a unix socket. */
  port: number;
  close(): void;
}

/** Serves gRPC with health and reflection. TCP is always TLS; without it there is only a unix socket that our own user opens. */
export async function startGrpcServer(options: GrpcServerOptions & GrpcAddress): Promise<GrpcServer> {
  const server = makeServer(options, "unixPath" in options);
  // What a killed process left behind.
  if ("unixPath" in options) rmSync(options.unixPath, { force: true });
  const address = "unixPath" in options ? `unix:${options.unixPath}` : `${options.host}:${options.port}`;
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, credentialsOf(options), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  if ("unixPath" in options) chmodSync(options.unixPath, 0o600);
  widenWindows(server);
  return { port: "unixPath" in options ? 0 : port, close: () => server.forceShutdown() };
}

/** What a caller may send on one stream, and on all of a connection, before it waits for us. */
const WINDOWS_BYTES = { stream: 2 << 20, session: 4 << 20 };

/**
 * HTTP/2's own 64 KiB let a caller 50 ms away send 0.7 MB/s, less than a room records. grpc-js has no option for a server's
 * windows (it has one for clients), so its HTTP/2 servers are asked by the name they have in its pinned version.
 */
function widenWindows(server: Server): void {
  const { http2Servers } = server as unknown as { http2Servers: Map<Http2Server, unknown> };
  for (const http2 of http2Servers.keys())
    http2.on("session", (session) => {
      session.settings({ initialWindowSize: WINDOWS_BYTES.stream });
      session.setLocalWindowSize(WINDOWS_BYTES.session);
    });
}

/** A gRPC server without a port: it serves connections that were opened otherwise, dialled ones too. */
export function grpcOnConnections(options: GrpcServerOptions): { serve(connection: Duplex): void; close(): void } {
  const server = makeServer(options, false);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  widenWindows(server);
  return {
    serve: (connection) => injector.injectConnection(connection),
    close: () => {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

function credentialsOf(address: GrpcAddress): ServerCredentials {
  if ("unixPath" in address) return ServerCredentials.createInsecure();
  const { key, cert, clientCa } = address.tls;
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  return ServerCredentials.createSsl(clientCa === undefined ? null : Buffer.from(clientCa), [pair], clientCa !== undefined);
}

function makeServer(
  { implementations, door, maxMessageBytes = MESSAGE_MAX_BYTES, health = new Health() }: GrpcServerOptions,
  local: boolean,
): Server {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": 256,
    "grpc.enable_channelz": 0,
  });
  for (const [path, route] of routesOf(implementations, door)) register(server, route, path, local);
  const checks = health.implementation();
  for (const [path, route] of routesOf([checks, reflection([...implementations, checks])], openDoor)) {
    register(server, route, path, local);
    if (path.startsWith("grpc.reflection.v1.")) register(server, route, path.replace(".v1.", ".v1alpha."), local);
  }
  return server;
}

/** Health and reflection say nothing that needs signing in. */
const openDoor: Door = { authenticate: async () => ({ kind: "nobody" }), authorize: async () => {} };

function register(server: Server, route: Route, path: string, local: boolean): void {
  const { path: name, responseStream, requestDeserialize, responseSerialize } = grpcMethod(route.method, path.split("/")[0]);
  const { handle, type } = kinds[route.method.methodKind];
  // What streams serializes for itself: it counts the bytes that wait.
  const serialize = responseStream ? (bytes: Buffer) => bytes : responseSerialize;
  server.register(name, handle(route, local) as UntypedHandleCall, serialize as (value: unknown) => Buffer, requestDeserialize, type);
}

const kinds = {
  unary: { handle: unary, type: "unary" },
  server_streaming: { handle: serverStream, type: "serverStream" },
  client_streaming: { handle: clientStream, type: "clientStream" },
  bidi_streaming: { handle: bidi, type: "bidi" },
} as const;

function unary(route: Route, local: boolean) {
  return (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => {
    answer(route, call.request, visitOf(call, local)).then(
      (message) => callback(null, message),
      (error: XiezhiError) => callback(grpcStatus(error)),
    );
  };
}

function clientStream(route: Route, local: boolean) {
  return (call: ServerReadableStream<Message, Message>, callback: sendUnaryData<Message>) => {
    answer(route, call.iterator({ destroyOnReturn: false }), visitOf(call, local)).then(
      (message) => callback(null, message),
      (error: XiezhiError) => callback(grpcStatus(error)),
    );
  };
}

function serverStream(route: Route, local: boolean) {
  return (call: ServerWritableStream<Message, Buffer>) => void send(route, call, call.request, local);
}

function bidi(route: Route, local: boolean) {
  return (call: ServerDuplexStream<Message, Buffer>) => void send(route, call, call.iterator({ destroyOnReturn: false }), local);
}

type AnyCall = ServerUnaryCall<Message, Message> | ServerReadableStream<Message, Message> | WritableCall;
type WritableCall = ServerWritableStream<Message, Buffer> | ServerDuplexStream<Message, Buffer>;

/** A stream is pulled on only while fewer bytes than this wait for its caller. */
const BACKLOG_BYTES = 256 << 10;

async function send(route: Route, call: WritableCall, request: Message | AsyncIterable<Message>, local: boolean): Promise<void> {
  let backlog = 0;
  let wake = () => {};
  const visit = { ...visitOf(call, local), backlogBytes: () => backlog };
  visit.signal.addEventListener("abort", () => wake(), { once: true });
  const serialize = grpcMethod(route.method).responseSerialize;
  // At once: the caller of a stream that is silent so far knows that it is heard.
  call.sendMetadata(new Metadata());
  try {
    for await (const message of answers(route, request, visit)) {
      const bytes = serialize(message);
      backlog += bytes.length;
      call.write(bytes, () => {
        backlog -= bytes.length;
        wake();
      });
      while (backlog > BACKLOG_BYTES && !visit.signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    call.end();
  } catch (error) {
    call.emit("error", grpcStatus(error as XiezhiError));
  }
}

function visitOf(call: AnyCall, local: boolean): Visit {
  const gone = new AbortController();
  if (call.cancelled) gone.abort();
  (call as ServerUnaryCall<Message, Message>).once("cancelled", () => gone.abort());
  return { credentials: credentialsShown(call, local), signal: gone.signal, backlogBytes: () => 0 };
}

function credentialsShown(call: AnyCall, local: boolean): Credentials {
  const certificate = certificateOf(call.getAuthContext()?.sslPeerCertificate);
  const [authorization] = call.metadata.get("authorization");
  const bearer = typeof authorization === "string" ? /^Bearer +(\S{1,4096})$/i.exec(authorization)?.[1] : undefined;
  return {
    from: local ? "local" : call.getPeer(),
    ...(local && { local }),
    ...(bearer !== undefined && { bearer }),
    ...(certificate && { certificate }),
  };
}
