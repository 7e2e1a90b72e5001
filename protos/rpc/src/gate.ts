import { create, type DescMessage, type DescMethod, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { isXiezhiError, type XiezhiError } from "@xiezhi/protos/errors.ts";
import { rpcErrors } from "./rpc.errors.ts";
import type { AnyHandler, Caller, Credentials, Door, Implementation, RpcContext } from "./service.ts";

/** One call as a transport sees it. */
export interface Visit {
  credentials: Credentials;
  /** Aborted when the caller has gone. */
  signal: AbortSignal;
  backlogBytes(): number;
  setSession?: RpcContext["setSession"];
  clearSession?: RpcContext["clearSession"];
}

/** A method that can be called, behind its door. */
export interface Route {
  method: DescMethod;
  handler: AnyHandler;
  door: Door;
}

const validator = createValidator();

/** All methods by `package.Service/Method`. */
export function routesOf(implementations: readonly Implementation[], door: Door): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const { service, handlers } of implementations)
    for (const method of service.methods) {
      const handler = handlers[method.localName];
      if (handler) routes.set(`${service.typeName}/${method.name}`, { method, handler, door });
    }
  return routes;
}

/** Calls a method that answers once. Throws nothing but XiezhiError. */
export async function answer(route: Route, request: Message | AsyncIterable<Message>, visit: Visit): Promise<Message> {
  const { context, input, release } = await enter(route, request, visit);
  try {
    const handler = route.handler as (input: unknown, context: RpcContext) => Promise<MessageInitShape<typeof route.method.output>>;
    return create(route.method.output, await handler(input, context));
  } catch (error) {
    throw refusalOf(route, error, context.signal);
  } finally {
    release();
  }
}

/** Calls a method that answers with a stream. Ends at once when the caller goes or its session is revoked. */
export async function* answers(route: Route, request: Message | AsyncIterable<Message>, visit: Visit): AsyncGenerator<Message, void> {
  const { context, input, release } = await enter(route, request, visit);
  try {
    const handler = route.handler as (input: unknown, context: RpcContext) => AsyncIterable<MessageInitShape<typeof route.method.output>>;
    for await (const message of until(context.signal, handler(input, context))) yield create(route.method.output, message);
  } catch (error) {
    throw refusalOf(route, error, context.signal);
  } finally {
    release();
  }
}

interface Entered {
  context: RpcContext;
  input: Message | AsyncIterable<Message>;
  release(): void;
}

async function enter({ method, door }: Route, request: Message | AsyncIterable<Message>, visit: Visit): Promise<Entered> {
  const { credentials } = visit;
  let caller: Caller = { kind: "nobody" };
  try {
    caller = await door.authenticate(credentials);
    const single = Symbol.asyncIterator in request ? undefined : valid(method, request);
    await door.authorize(method, single ?? create(method.input), caller);
    const ended = new AbortController();
    const stop = door.onRevoked?.(caller, () => ended.abort(rpcErrors.sessionEnded()));
    const signal = AbortSignal.any([visit.signal, ended.signal]);
    const input = single ?? eachValid(method, until(signal, request as AsyncIterable<Message>));
    const context: RpcContext = {
      method,
      caller,
      signal,
      from: credentials.from,
      backlogBytes: visit.backlogBytes,
      ...(visit.setSession && { setSession: visit.setSession }),
      ...(visit.clearSession && { clearSession: visit.clearSession }),
      ...(credentials.origin !== undefined && { origin: credentials.origin }),
    };
    return { context, input, release: () => stop?.() };
  } catch (error) {
    const refusal = refusalOf({ method, door }, error, visit.signal);
    door.refused?.(method, caller, refusal, credentials.from);
    throw refusal;
  }
}

function valid(method: DescMethod, request: Message): Message {
  const refusal = invalidOf(method.input, request);
  if (refusal) throw refusal;
  return request;
}

/** The first rule of the contract that a message breaks, by its field; undefined where it keeps all of them. */
export function invalidOf(schema: DescMessage, message: Message): XiezhiError | undefined {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return undefined;
  if (result.kind === "error") throw result.error;
  const [violation] = result.violations;
  const path = violation?.field.map((part) => ("name" in part ? part.name : "")).filter((name) => name !== "");
  return rpcErrors.invalidField(path?.join(".") || "request", violation?.message || violation?.ruleId || "not valid");
}

async function* eachValid(method: DescMethod, requests: AsyncIterable<Message>): AsyncGenerator<Message, void> {
  for await (const request of requests) yield valid(method, request);
}

function refusalOf({ method, door }: Pick<Route, "method" | "door">, error: unknown, signal: AbortSignal): XiezhiError {
  if (isXiezhiError(error)) return error;
  if (signal.aborted) return isXiezhiError(signal.reason) ? signal.reason : rpcErrors.cancelled();
  door.failed?.(method, error);
  return rpcErrors.internal();
}

/**
 * The same messages, but an abort ends it at once, even while the source is silent. No `Promise.race` against one promise for the
 * whole stream: each round would leave a reaction on it, and a live view has millions of rounds.
 */
async function* until<T>(signal: AbortSignal, source: AsyncIterable<T>): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  let fail: (reason: unknown) => void = () => {};
  const abort = () => fail(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        fail = reject;
        if (signal.aborted) reject(signal.reason);
        else iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    iterator.return?.()?.catch(() => {});
  }
}
