import { SignInWith, UsersService as Contract } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { callOf } from "../../platform/call.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { UsersService } from "./users.service.ts";

export function usersRpc(service: UsersService): Implementation {
  return implement(Contract, {
    whereAmI: async () => ({ signInWith: SignInWith.PASSWORD }),
    async logIn(request, context) {
      const { user, token, expiresAtMs } = await service.logIn(callOf(context, request), request.login, request.password);
      context.setSession?.(token, expiresAtMs);
      return { user, expiresAtMs: BigInt(expiresAtMs), token: context.origin === undefined ? token : "" };
    },
    async logOut(request, context) {
      await service.logOut(callOf(context, request));
      context.clearSession?.();
      return {};
    },
    whoAmI: async (_, { caller }) => service.whoAmI(caller),
    listUsers: (request, { method, caller }) => service.list(sitesOf(method, caller), request),
    createUser: async (request, context) => ({ user: await service.create(callOf(context, request), request) }),
    disableUser: async (request, context) => ({ user: await service.disable(callOf(context, request), request.userId) }),
    setPin: async (request, context) => ({
      user: await service.setPin(callOf(context, withoutSecrets(request)), request.password, request.pin),
    }),
    resetPin: async (request, context) => ({
      user: await service.resetPin(callOf(context, withoutSecrets(request)), request.userId, request.pin),
    }),
    setRoles: async (request, context) => ({ user: await service.setRoles(callOf(context, request), request.userId, request.roles) }),
  });
}

/** What is remembered of a request is its digest; from that six digits would be guessed in no time. */
function withoutSecrets<T extends { pin: string }>(request: T): T {
  return { ...request, pin: "", password: "" };
}
