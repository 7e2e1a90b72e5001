import type { Message } from "@bufbuild/protobuf";
import { rightsOf } from "@xiezhi/rpc/access/rights.ts";
import type { AnyHandler, Implementation, RpcContext } from "@xiezhi/rpc/service.ts";
import type { Acts } from "./acts.ts";

/** The same methods; each that changes something leaves one act, whether it was done or refused. */
export function audited({ service, handlers }: Implementation, acts: Acts): Implementation {
  const wrapped = service.methods.flatMap((method) => {
    const handler = handlers[method.localName];
    if (!handler) return [];
    if (!rightsOf(method).change) return [[method.localName, handler] as const];
    return [[method.localName, method.methodKind === "server_streaming" ? streamed(handler, acts) : answered(handler, acts)] as const];
  });
  return { service, handlers: Object.fromEntries(wrapped) };
}

type Answers<T> = (request: Message, context: RpcContext) => T;

function answered(handler: AnyHandler, acts: Acts): AnyHandler {
  return async (request: Message, context) => {
    try {
      const answer = await (handler as Answers<Promise<unknown>>)(request, context);
      await acts.of(context, request, "ok");
      return answer;
    } catch (error) {
      await acts.refusal(context, request, error);
      throw error;
    }
  };
}

function streamed(handler: AnyHandler, acts: Acts): AnyHandler {
  return async function* (request: Message, context: RpcContext) {
    let told = false;
    try {
      yield* (handler as Answers<AsyncIterable<unknown>>)(request, context);
      told = true;
      await acts.of(context, request, "ok");
    } catch (error) {
      told = true;
      await acts.refusal(context, request, error);
      throw error;
    } finally {
      // The page went away in between: what became of it stands in the ledger.
      if (!told) await acts.of(context, request, "sent");
    }
  };
}
