import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { type ConnectRouter, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { toConnectError } from "./failure.ts";
import { answer, answers, type Route, routesOf, type Visit } from "./gate.ts";
import { MESSAGE_MAX_BYTES } from "./grpc.ts";
import type { Credentials, Door, Implementation } from "./service.ts";

interface SessionCookie {
  name: string;
  /** Only over TLS. */
  secure: boolean;
}

interface ConnectOptions {
  implementations: readonly Implementation[];
  door: Door;
  cookie: SessionCookie;
}

/** What Koa hands to a middleware, as far as it is needed here. */
interface KoaContext {
  req: IncomingMessage;
  res: ServerResponse;
  respond?: boolean;
}

/**
 * The JSON door: the Connect protocol (JSON and binary) under `/package.Service/Method`, other paths go on to `next`.
 * It stands before any body parser.
 */
export function connectMiddleware({
  implementations,
  door,
  cookie,
}: ConnectOptions): (context: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  const routes = routesOf(implementations, door);
  const paths = new Set([...routes.keys()].map((path) => `/${path}`));
  const handle = connectNodeAdapter({
    routes: (router) => addRoutes(router, routes, (context) => shownByPage(context, cookie)),
    readMaxBytes: MESSAGE_MAX_BYTES,
    acceptCompression: [],
    grpc: false,
    grpcWeb: false,
    contextValues: ({ socket }) => createContextValues().set(fromKey, socket.remoteAddress ?? ""),
  });
  return async (context, next) => {
    if (!paths.has(context.req.url?.split("?", 1)[0] ?? "")) {
      await next();
      return;
    }
    // Koa has preset 404 and would answer by itself.
    context.respond = false;
    context.res.statusCode = 200;
    handle(context.req, context.res);
  };
}

const fromKey = createContextKey("");

type Shown = Omit<Visit, "signal" | "backlogBytes">;

/** All routes on a Connect router; `shown` says what the caller showed. */
export function addRoutes(router: ConnectRouter, routes: ReadonlyMap<string, Route>, shown: (context: HandlerContext) => Shown): void {
  for (const route of routes.values()) router.rpc(route.method, implementationOf(route, shown) as never);
}

function implementationOf(route: Route, shown: (context: HandlerContext) => Shown): unknown {
  const visitOf = (context: HandlerContext): Visit => ({ ...shown(context), signal: context.signal, backlogBytes: () => 0 });
  if (answersOnce(route.method))
    return async (request: Message, context: HandlerContext) => {
      try {
        return await answer(route, request, visitOf(context));
      } catch (error) {
        throw isXiezhiError(error) ? toConnectError(error) : error;
      }
    };
  return async function* (request: Message, context: HandlerContext) {
    try {
      yield* answers(route, request, visitOf(context));
    } catch (error) {
      throw isXiezhiError(error) ? toConnectError(error) : error;
    }
  };
}

function answersOnce({ methodKind }: DescMethod): boolean {
  return methodKind === "unary" || methodKind === "client_streaming";
}

function shownByPage({ requestHeader, responseHeader, values }: HandlerContext, cookie: SessionCookie): Shown {
  const attributes = `; Path=/; HttpOnly; SameSite=Strict${cookie.secure ? "; Secure" : ""}`;
  return {
    credentials: credentialsOf((name) => requestHeader.get(name) ?? undefined, cookie.name, values.get(fromKey)),
    setSession: (token, expiresAtMs) =>
      responseHeader.append("set-cookie", `${cookie.name}=${token}; Expires=${new Date(expiresAtMs).toUTCString()}${attributes}`),
    clearSession: () => responseHeader.append("set-cookie", `${cookie.name}=; Max-Age=0${attributes}`),
  };
}

/** Credentials in the headers of an HTTP request, an upgrade to a WebSocket too. */
export function credentialsOf(header: (name: string) => string | undefined, cookieName: string, from: string): Credentials {
  const bearer = /^Bearer +(\S{1,4096})$/i.exec(header("authorization") ?? "")?.[1];
  const cookie = (header("cookie") ?? "")
    .split(/; */)
    .find((pair) => pair.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1);
  const origin = header("origin");
  return {
    from,
    ...(bearer !== undefined && { bearer }),
    ...(cookie && { cookie: cookie.slice(0, 4096) }),
    ...(origin !== undefined && { origin }),
  };
}
