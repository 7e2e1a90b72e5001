import { DevicesService as Contract } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import type { DevicesService } from "./devices.service.ts";

export function devicesRpc(service: DevicesService): Implementation {
  return implement(Contract, {
    listDevices: (request, { method, caller }) => service.list(sitesOf(method, caller), request.roomId, request),
    commandDevice: (request, context) => service.command(request, context),
    watchDevices: ({ roomId }, { method, caller, signal }) => service.watch(sitesOf(method, caller), roomId, signal),
  });
}
