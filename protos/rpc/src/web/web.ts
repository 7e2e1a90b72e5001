import { createServer as createHttp, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import Koa, { type Middleware } from "koa";
import helmet from "koa-helmet";
import { WebSocketServer } from "ws";
import { connectMiddleware, credentialsOf } from "../connect.ts";
import type { Door, Implementation } from "../service.ts";
import { socketServer } from "../sockets.ts";
import { type Guard, hostsOf, isLoopback, type Refusal, refusalOf } from "./guards.ts";
import { staticFiles } from "./static.ts";

export interface WebOptions {
  host: string;
  port: number;
  /** PEM; without it only loopback is served. */
  tls: { key: string; cert: string } | undefined;
  /** Names under which people reach it, beside the loopback ones. */
  names: readonly string[];
  /** Installation and server; the cookie bears both and the port, because cookies don't tell ports apart. */
  instance: string;
  server: string;
  portalFolder: string;
  implementations: readonly Implementation[];
  door: Door;
  /** Bytes rather than messages; each finds the caller in `context.state.caller`. */
  middleware: readonly Middleware[];
  clock: Clock;
  log: Log;
  /** Told of what was kept out, for the audit. */
  refused(why: Exclude<Refusal, undefined>, path: string, from: string): void;
}

export interface Web {
  port: number;
  close(): Promise<void>;
}

/** Pages ask for streams only. */
const SOCKET_MESSAGE_MAX_BYTES = 65_536;
const HEADERS_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 30_000;

/** The portal's server: pages, JSON door, sockets and media on one address. */
export async function startWeb(options: WebOptions): Promise<Web> {
  const { host, tls, log } = options;
  if (!tls && !isLoopback(host)) throw new Error(`${host} is not loopback: the portal is served there over TLS only`);
  const server = tls ? createHttps(tls) : createHttp();
  server.headersTimeout = HEADERS_WITHIN_MS;
  server.requestTimeout = REQUEST_WITHIN_MS;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options.port, host, resolve));
  const { port } = server.address() as AddressInfo;
  const guard: Guard = { scheme: tls ? "https" : "http", hosts: hostsOf(["localhost", "127.0.0.1", "[::1]", ...options.names], port) };
  const cookie = { name: `xiezhi-${options.instance}-${options.server}-${port}`, secure: tls !== undefined };
  const app = createApp(options, guard, cookie);
  const respond = app.callback();
  server.on("request", (request, response) => void respond(request, response));
  const sockets = acceptSockets(server, options, guard, cookie.name);
  server.on("clientError", (_, socket) => socket.destroy());
  log.info({ host, port, tls: tls !== undefined }, "the portal is served");
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createApp(options: WebOptions, guard: Guard, cookie: { name: string; secure: boolean }): Koa {
  const { implementations, door, log } = options;
  const app = new Koa();
  app.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "ECONNRESET" && error.code !== "ERR_STREAM_PREMATURE_CLOSE" && error.code !== "EPIPE")
      log.error({ err: error }, "a page's request failed");
  });
  app.use(headers(guard.scheme === "https"));
  app.use(async (context, next) => {
    const why = refusalOf(context.req, guard, false);
    if (!why) return next();
    options.refused(why, context.path, context.ip);
    context.status = why === "HOST" ? 421 : 403;
    context.body = { reason: `WEB_${why}` };
  });
  app.use(connectMiddleware({ implementations, door, cookie }));
  app.use(async (context, next) => {
    const shown = credentialsOf((name) => context.get(name) || undefined, cookie.name, context.ip);
    // An old token is nobody's here too: the answer below says what is missing.
    context.state.caller = await door.authenticate(shown).catch(() => ({ kind: "nobody" }));
    return next();
  });
  for (const middleware of options.middleware) app.use(middleware);
  app.use(staticFiles(options.portalFolder));
  return app;
}

/**
 * Nothing runs that we did not build: no inline script, no foreign origin. Styles may be inline because Ant Design writes its
 * style elements while the page runs; a style can't call anything.
 */
function headers(secure: boolean): Middleware {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", "data:", "blob:"],
        mediaSrc: ["'self'", "blob:"],
        fontSrc: ["'self'", "data:"],
        connectSrc: ["'self'"],
        workerSrc: ["'self'", "blob:"],
        manifestSrc: ["'self'"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: secure,
    crossOriginEmbedderPolicy: false,
    originAgentCluster: true,
  });
}

function acceptSockets(server: Server, options: WebOptions, guard: Guard, cookieName: string): WebSocketServer {
  const { implementations, door, clock, log } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: SOCKET_MESSAGE_MAX_BYTES, perMessageDeflate: false });
  const pages = socketServer({ implementations, door, clock });
  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const from = request.socket.remoteAddress ?? "";
    const path = request.url?.split("?", 1)[0] ?? "";
    const why = refusalOf(request, guard, true);
    if (why) {
      options.refused(why, path, from);
      return refuse(socket, why === "HOST" ? "421 Misdirected Request" : "403 Forbidden");
    }
    if (path !== "/socket") return refuse(socket, "404 Not Found");
    const shown = credentialsOf((name) => headerOf(request, name), cookieName, from);
    const caller = await door.authenticate(shown).catch(() => undefined);
    if (caller?.kind !== "user") return refuse(socket, "401 Unauthorized");
    sockets.handleUpgrade(request, socket, head, (page) => pages.accept(page, shown));
  };
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => {
      log.error({ err: error }, "a socket was not opened");
      socket.destroy();
    });
  });
  return sockets;
}

function headerOf({ headers: all }: IncomingMessage, name: string): string | undefined {
  const value = all[name];
  return Array.isArray(value) ? value[0] : value;
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
