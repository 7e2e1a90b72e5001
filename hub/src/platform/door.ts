import type { Log } from "@xiezhi/base/log.ts";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import type { Caller, Door } from "@xiezhi/rpc/service.ts";
import type { Platform } from "./module.ts";
import { actOf, rightsOf } from "@xiezhi/rpc/access/rights.ts";
import type { Session } from "@xiezhi/rpc/access/live-sessions.ts";

/** Who a session's user is now, with their present roles; undefined when disabled. */
export type CallerOf = (session: Session) => Caller | undefined;

/** The hub's door, the same for gRPC, JSON, sockets and files. */
export function createDoor(platform: Platform, callerOf: CallerOf, log: Log): Door {
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
      const act = actOf(method);
      if (caller.kind === "nobody") return platform.audit.stranger(act, from, error.reason, log);
      const call = { act, caller, from, method, request: undefined };
      platform.audit
        .refusal(call, { id: "", siteId: "" }, error)
        .catch((failure: unknown) => log.error({ err: failure }, "a refusal is not audited"));
    },
    failed: (method, error) => log.error({ err: error, act: actOf(method) }, "a handler failed"),
    onRevoked: (caller, ended) => (caller.kind === "user" ? platform.sessions.onEnded(caller.sessionId, ended) : () => {}),
  };
}
