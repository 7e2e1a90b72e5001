import { AlarmsService as Contract } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { AlarmsService } from "./alarms.service.ts";

export function alarmsRpc(service: AlarmsService): Implementation {
  return implement(Contract, {
    watchAlarms: ({ roomId }, { method, caller, signal }) => service.watch(sitesOf(method, caller), roomId, signal),
  });
}
