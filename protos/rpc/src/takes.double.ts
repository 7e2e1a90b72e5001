import { systemClock } from "@xiezhi/base/clock.ts";
import { XiezhiError } from "@xiezhi/protos/errors.ts";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { rpcErrors } from "./rpc.errors.ts";
import { type Door, implement, type Implementation } from "./service.ts";

export const takeId = "01900000-0000-7000-8000-000000000000";
const sealed = {
  code: "FAILED_PRECONDITION",
  reason: "TAKES_SEALED",
  zh: "已封存",
  en: "sealed",
  details: { since: "2026-09-28" },
} as const;
const unknown = { code: "NOT_FOUND", reason: "TAKES_UNKNOWN", zh: "没有这次录制", en: "no such take" } as const;

/** TakesService for tests of the transports: an answer, a stream, a refusal, a fault of ours, a stream that falls silent. */
export function takesDouble(): Implementation {
  return implement(TakesService, {
    getTake: async ({ takeId: id }) => ({ take: { id, title: "take of 王五" } }),
    listTakes: async ({ roomId }, { setSession }) => {
      if (roomId === "boom") throw new TypeError("a fault of ours, with a password in it");
      setSession?.("fresh", Date.UTC(2026, 8, 28, 12));
      return {};
    },
    async *watchTake({ takeId: id }) {
      if (id[0] === "1") throw new XiezhiError(unknown);
      if (id[0] === "2") {
        yield { take: { id, title: "silent from now on" } };
        await new Promise(() => {});
      }
      for (let length = 0; length < 3; length++) yield { take: { id, lengthUs: BigInt(length) } };
    },
    playTake: async () => {
      throw new XiezhiError(sealed);
    },
  });
}

/** Knows the sessions "clerk" and "revoked-soon". */
export function doorDouble(): Door {
  return {
    async authenticate({ bearer, cookie }) {
      const session = bearer ?? cookie;
      if (session === undefined) return { kind: "nobody" };
      if (session !== "clerk" && session !== "revoked-soon") throw rpcErrors.sessionEnded();
      return { kind: "user", userId: session, login: session, name: session, sessionId: session, roles: [] };
    },
    async authorize(_method, _request, caller) {
      if (caller.kind === "nobody") throw rpcErrors.signInFirst();
    },
    onRevoked(caller, ended) {
      if (caller.kind !== "user" || caller.sessionId !== "revoked-soon") return () => {};
      const timer = systemClock.after(50, ended);
      return () => timer.cancel();
    },
  };
}
