import { HearingsService as Contract } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { callOf } from "../../platform/call.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { HearingsService } from "./hearings.service.ts";

export function hearingsRpc(service: HearingsService): Implementation {
  return implement(Contract, {
    createHearing: async (request, context) => ({ hearing: await service.create(callOf(context, request), request) }),
    cancelHearing: async (request, context) => ({ hearing: await service.cancel(callOf(context, request), request.hearingId) }),
    getHearing: async ({ hearingId }) => ({ hearing: await service.get(undefined, hearingId) }),
    listHearings(request, { method, caller }) {
      const { roomId, caseId, fromMs, toMs } = request;
      return service.list({ siteIds: sitesOf(method, caller), roomId, caseId, fromMs: Number(fromMs), toMs: Number(toMs) }, request);
    },
    settleTakes: async (request, context) => ({
      hearing: await service.settleTakes(callOf(context, request), request.hearingId, request.takeIds),
    }),
    linkCases: async (request, context) => ({
      hearing: await service.linkCases(callOf(context, request), request.hearingId, request.caseIds),
    }),
  });
}
