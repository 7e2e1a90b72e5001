import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import type { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";

/** Who calls, as the door found out; never what the caller says of itself. */
export type Caller =
  | {
      kind: "user";
      userId: string;
      login: string;
      name: string;
      sessionId: string;
      roles: readonly { role: Role; siteId: string }[];
    }
  | { kind: "program"; name: string; siteId?: string; roomId?: string }
  | { kind: "nobody" };

/** What a handler knows of the call beside its request. */
export interface RpcContext {
  method: DescMethod;
  caller: Caller;
  /** Aborted when the caller has gone, its session was revoked or the server stops. */
  signal: AbortSignal;
  /** Address the call came from, for log and audit. */
  from: string;
  /** Bytes that are queued towards this caller: a live view drops what it can when they grow. */
  backlogBytes(): number;
  /** Gives the browser its session cookie, UTC ms. Only at the JSON door. */
  setSession?: (token: string, expiresAtMs: number) => void;
  /** Takes the cookie away. Only at the JSON door. */
  clearSession?: () => void;
  /** The Origin header, where there was one: the caller is a page. */
  origin?: string;
}

type Handler<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: RpcContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: RpcContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: RpcContext) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, context: RpcContext) => AsyncIterable<MessageInitShape<O>>
          : never;

/** One function for each method of the service, named as in TypeScript (`logIn`), whatever transport it is called through. */
export type Handlers<S extends DescService> = { [K in keyof S["method"]]: Handler<S["method"][K]> };

/** A handler with its types forgotten: the transports know methods by their descriptors. */
export type AnyHandler = (request: never, context: RpcContext) => unknown;

export interface Implementation {
  service: DescService;
  handlers: Readonly<Record<string, AnyHandler>>;
}

/** Ties handlers to the service they implement; a missing or wrong handler does not compile. */
export function implement<S extends DescService>(service: S, handlers: Handlers<S>): Implementation {
  return { service, handlers };
}

/** As `implement`, for a server that serves a part of the service; what it leaves out is UNIMPLEMENTED there. */
export function implementSome<S extends DescService>(service: S, handlers: Partial<Handlers<S>>): Implementation {
  return { service, handlers: handlers as Implementation["handlers"] };
}

/** What a caller showed at the door. */
export interface Credentials {
  /** `authorization: Bearer …` */
  bearer?: string;
  /** Value of the session cookie. */
  cookie?: string;
  origin?: string;
  /** Subject alternative names of kind URI in the client's certificate, verified by TLS. */
  certificate?: { uris: readonly string[]; fingerprint: string };
  /** Came over a unix socket of this machine, which only our own user can open. */
  local?: boolean;
  from: string;
}

/**
 * What stands before every handler, whatever the transport: authenticate, validate the request (INVALID_ARGUMENT names the
 * field), authorize, handler, and errors mapped once.
 */
export interface Door {
  /** Throws UNAUTHENTICATED for credentials that are wrong; nobody for none. */
  authenticate(credentials: Credentials): Promise<Caller>;
  /** Throws PERMISSION_DENIED or NOT_FOUND. Requests that come as a stream are shown empty. */
  authorize(method: DescMethod, request: Message, caller: Caller): Promise<void>;
  /** Told of each refusal by the door itself, for the audit. */
  refused?(method: DescMethod, caller: Caller, error: XiezhiError, from: string): void;
  /** Told of what a handler threw that is no refusal: a fault of ours, for the log. */
  failed?(method: DescMethod, error: unknown): void;
  /** Calls `ended` when the caller's session is revoked; streams that are bound to it end. Returns the way to stop it. */
  onRevoked?(caller: Caller, ended: () => void): () => void;
}
