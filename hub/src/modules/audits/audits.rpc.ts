import { AuditsService as Contract } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { AuditsService } from "./audits.service.ts";

export function auditsRpc(service: AuditsService): Implementation {
  return implement(Contract, {
    async listAudits(request, { method, caller }) {
      const { rows, nextPageToken } = await service.list(sitesOf(method, caller), {
        ...request,
        fromMs: Number(request.fromMs),
        toMs: Number(request.toMs),
      });
      return {
        nextPageToken,
        rows: rows.map((row) => ({
          number: BigInt(row.number),
          atMs: BigInt(row.at_ms),
          userId: row.user_id,
          login: row.login,
          act: row.act,
          objectId: row.object_id,
          siteId: row.site_id,
          outcome: row.outcome,
          requestId: row.request_id,
          from: row.came_from,
          roomId: row.room_id,
          afterRevocation: row.after_revocation,
        })),
      };
    },
  });
}
