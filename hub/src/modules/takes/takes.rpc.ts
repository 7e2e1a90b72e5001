import { TakesService as Contract } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { callOf } from "../../platform/call.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { TakesHttp } from "./takes.http.ts";
import type { TakesService } from "./takes.service.ts";

export function takesRpc(service: TakesService, http: TakesHttp): Implementation {
  return implement(Contract, {
    getTake: async ({ takeId }) => ({ take: await service.get(takeId) }),
    listTakes: (request, { method, caller }) => service.list(sitesOf(method, caller), request),
    watchTake: ({ takeId }, { signal }) => service.watch(takeId, signal),
    async playTake(request, context) {
      const answer = await service.play(callOf(context, request), request.takeId);
      http.plays(context.caller, request.takeId);
      return answer;
    },
  });
}
