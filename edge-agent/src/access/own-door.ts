import type { Log } from "@xiezhi/base/log.ts";
import { actOf, Rights, rightsOf } from "@xiezhi/rpc/access/rights.ts";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import type { Caller, Door } from "@xiezhi/rpc/service.ts";
import { create } from "@bufbuild/protobuf";
import { errors } from "./access.errors.ts";
import type { Acts } from "./acts.ts";
import type { People } from "./people.ts";
import type { RoomSessions } from "./room-sessions.ts";

interface OwnDoorOptions {
  siteId: string;
  roomId: string;
  people: People;
  sessions: RoomSessions;
  acts: Acts;
  log: Log;
}

/** What stands before every call at the room's own address: its own sessions, and the contract's rights by the roles that the hub told. */
export function ownDoor({ siteId, roomId, people, sessions, acts, log }: OwnDoorOptions): Door {
  const rights = new Rights();
  rights.add({ room_id: { siteOf: async (id) => (id === roomId ? siteId : undefined), notFound: errors.noRoom } });
  const callerOf = (token: string): Caller | undefined => {
    const session = sessions.find(token);
    const user = session && people.byId(session.userId)?.user;
    return user && { kind: "user", userId: user.id, login: user.login, name: user.name, sessionId: session.id, roles: user.roles };
  };
  return {
    async authenticate({ bearer, cookie }) {
      const token = bearer ?? cookie;
      const caller = token === undefined ? undefined : callerOf(token);
      // A page with an old cookie must still be able to log in; a program with an old token is told so.
      if (!caller && bearer !== undefined) throw rpcErrors.sessionEnded();
      return caller ?? { kind: "nobody" };
    },
    authorize: (method, request, caller) => rights.authorize(method, request, caller),
    refused(method, caller, error, from) {
      if (error.code === "INVALID_ARGUMENT" && !rightsOf(method).change) return;
      if (caller.kind === "nobody") void acts.stranger({ act: actOf(method), outcome: error.reason, from });
      else void acts.refusal({ method, caller, from }, create(method.input), error);
    },
    failed: (method, error) => log.error({ err: error, act: actOf(method) }, "a handler failed"),
    onRevoked: (caller, ended) => (caller.kind === "user" ? sessions.onEnded(caller.sessionId, ended) : () => {}),
  };
}
