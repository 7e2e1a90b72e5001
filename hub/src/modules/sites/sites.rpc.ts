import { SitesService as Contract } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { SitesService } from "./sites.service.ts";

export function sitesRpc(service: SitesService): Implementation {
  return implement(Contract, {
    listSites: (request, { method, caller }) => service.listSites(sitesOf(method, caller), request),
    listRooms: (request, { method, caller }) => service.listRooms(sitesOf(method, caller), request),
  });
}
