import { create, type DescMessage, type DescMethod, type Message, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import { actOf } from "@xiezhi/rpc/access/rights.ts";
import type { Caller, RpcContext } from "@xiezhi/rpc/service.ts";

/** Who does what: made once a request or program act, after the door let it in, and handed to every change. */
export interface Call {
  /** `cases.CreateCase`: what the audit row says. */
  readonly act: string;
  readonly caller: Caller;
  /** Address the call came from. */
  readonly from: string;
  /** Whose rights count; undefined for what a program of the hub does by itself. */
  readonly method: DescMethod | undefined;
  /** The caller's id for this request, and what it asked: the same again gives the same answer. */
  readonly request: { id: string; digest: string } | undefined;
}

/** What a change is about; its site is checked again inside the transaction. */
export interface ObjectRef {
  id: string;
  siteId: string;
}

/** The call behind an RPC; `request_id` is taken from the request where the message has one. */
export function callOf(context: RpcContext, request: Message): Call {
  const { method, caller, from } = context;
  const id = (request as { requestId?: unknown }).requestId;
  return {
    act: actOf(method),
    caller,
    from,
    method,
    request: typeof id === "string" && id !== "" ? { id, digest: digestOf(method.input, request) } : undefined,
  };
}

/** What the hub does by itself: projecting a ledger, remembering a device's state, ending a session that ran out. */
export function programCall(act: string): Call {
  return { act, caller: { kind: "program", name: "hub" }, from: "local", method: undefined, request: undefined };
}

export function userIdOf(caller: Caller): string {
  return caller.kind === "user" ? caller.userId : caller.kind === "program" ? `program:${caller.name}` : "";
}

function digestOf(desc: DescMessage, request: Message): string {
  return createHash("sha256")
    .update(toBinary(desc, create(desc, request as MessageShape<DescMessage>)))
    .digest("hex");
}
