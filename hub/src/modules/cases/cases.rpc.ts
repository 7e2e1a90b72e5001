import { CasesService as Contract } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { callOf } from "../../platform/call.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { CasesService } from "./cases.service.ts";

export function casesRpc(service: CasesService): Implementation {
  return implement(Contract, {
    readNumber: async ({ text }) => service.read(text),
    createCase: async (request, context) => ({ case: await service.create(callOf(context, request), request) }),
    getCase: async ({ caseId }) => ({ case: await service.get(undefined, caseId) }),
    listCases: (request, { method, caller }) => service.list(sitesOf(method, caller), request),
  });
}
