import type { DescMethod } from "@bufbuild/protobuf";
import type { Log } from "@xiezhi/base/log.ts";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import type { Caller, Door } from "@xiezhi/rpc/service.ts";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { actOf } from "./call.ts";
import type { Platform } from "./module.ts";
import { rightsOf } from "./rights/rights.ts";
import type { Session } from "./sessions/sessions.ts";

/** Who a session's user is now, with their present roles; undefined when disabled. */
export type CallerOf = (session: Session) => Caller | undefined;

/** The hub's door, the same for gRPC, JSON, sockets and files. */
export function createDoor(platform: Platform, callerOf: CallerOf, log: Log): Door {
  const strangers = new RateLimiterMemory({ points: 60, duration: 60 });
  const audit = async (method: DescMethod, caller: Caller, error: Error, from: string) => {
    // Strangers can't fill the audit: their first sixty refusals in a minute stand for the rest.
    if (caller.kind === "nobody" && !(await strangers.consume(from).then(Boolean, () => false))) return;
    await platform.audit.refusal({ act: actOf(method), caller, from, method, request: undefined }, { id: "", siteId: "" }, error);
  };
  return {
    async authenticate({ bearer, cookie }) {
      const token = bearer ?? cookie;
      if (token === undefined) return { kind: "nobody" };
      const session = platform.sessions.find(token);
      const caller = session && callerOf(session);
      // A page with an old cookie must still be able to log in; a program with an old token is told so.
      if (!caller && bearer !== undefined) throw rpcErrors.sessionEnded();
      return caller ?? { kind: "nobody" };
    },
    authorize: (method, request, caller) => platform.rights.authorize(method, request, caller),
    refused(method, caller, error, from) {
      if (error.code === "INVALID_ARGUMENT" && !rightsOf(method).change) return;
      audit(method, caller, error, from).catch((failure: unknown) => log.error({ err: failure }, "a refusal is not audited"));
    },
    failed: (method, error) => log.error({ err: error, act: actOf(method) }, "a handler failed"),
    onRevoked: (caller, ended) => (caller.kind === "user" ? platform.sessions.onEnded(caller.sessionId, ended) : () => {}),
  };
}
