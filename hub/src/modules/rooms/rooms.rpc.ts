import { RoomService as Contract } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import type { RoomsService } from "./rooms.service.ts";

export function roomsRpc(service: RoomsService): Implementation {
  return implement(Contract, {
    watchDesk: (request, context) => service.watchDesk(request, context),
    start: (request, context) => service.start(request, context),
    pause: (request, context) => service.pause(request, context),
    resume: (request, context) => service.resume(request, context),
    mark: (request, context) => service.mark(request, context),
    end: (request, context) => service.end(request, context),
    watchLive: (request, context) => service.watchLive(request, context),
  });
}
