import { SignInWith, UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { passwordFits } from "@xiezhi/rpc/access/passwords.ts";
import { actOf } from "@xiezhi/rpc/access/rights.ts";
import { type Implementation, implementSome } from "@xiezhi/rpc/service.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import { errors } from "./access.errors.ts";
import type { Acts } from "./acts.ts";
import type { People } from "./people.ts";
import type { RoomSessions } from "./room-sessions.ts";
import type { WrongPins } from "./wrong-pins.ts";

export interface SignInOptions {
  roomId: string;
  people: People;
  sessions: RoomSessions;
  wrongPins: WrongPins;
  acts: Acts;
  /** What this address serves, as `package.Service/Method`. */
  methods(): string[];
}

/** Log-in by PIN at the room's own address; the rest of UsersService is the hub's. */
export function signIn({ roomId, people, sessions, wrongPins, acts, methods }: SignInOptions): Implementation {
  const personWith = async (login: string, pin: string) => {
    people.mustBeFresh();
    await wrongPins.attempt(login);
    const person = people.byLogin(login);
    const fits = await passwordFits(pin, person?.pinVerifier);
    if (!fits || !person?.user) throw errors.wrongPin();
    await wrongPins.right(login);
    return person.user;
  };
  return implementSome(UsersService, {
    whereAmI: async () => ({ signInWith: SignInWith.PIN, roomId, methods: methods() }),
    async logIn({ login, password }, { method, from, origin, setSession }) {
      const act = { act: actOf(method), from, objectId: login };
      const user = await personWith(login, password).catch(async (error: unknown) => {
        if (isXiezhiError(error)) await acts.stranger({ ...act, outcome: error.reason });
        throw error;
      });
      const { session, token } = await sessions.begin(user.id);
      await acts.add({ ...act, userId: user.id, login, objectId: user.id, outcome: "ok" });
      setSession?.(token, session.expiresAtMs);
      return { user, expiresAtMs: BigInt(session.expiresAtMs), token: origin === undefined ? token : "" };
    },
    async logOut(request, context) {
      const { caller, clearSession } = context;
      if (caller.kind === "user") await sessions.end(({ id }) => id === caller.sessionId);
      await acts.of(context, request, "ok");
      clearSession?.();
      return {};
    },
    async whoAmI(_, { caller }) {
      const session = caller.kind === "user" ? sessions.byId(caller.sessionId) : undefined;
      const user = session && people.byId(session.userId)?.user;
      if (!user) throw rpcErrors.sessionEnded();
      return { user, expiresAtMs: BigInt(session.expiresAtMs) };
    },
  });
}
