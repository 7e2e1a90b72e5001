import { getOption } from "@bufbuild/protobuf";
import type { Log } from "@xiezhi/base/log.ts";
import { peerOf } from "@xiezhi/enrol/peer.ts";
import { rights } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import type { Door } from "@xiezhi/rpc/service.ts";

/** Rooms by their certificate, main by the local socket; nobody else. */
export function programsDoor(log: Log): Door {
  return {
    async authenticate({ certificate, local }) {
      if (local) return { kind: "program", name: "hub" };
      const peer = peerOf(certificate?.uris ?? []);
      if (peer?.kind !== "room") return { kind: "nobody" };
      return { kind: "program", name: "room", siteId: peer.siteId, roomId: peer.roomId };
    },
    async authorize(method, _request, caller) {
      if (caller.kind !== "program" || !getOption(method, rights).program) throw rpcErrors.programsOnly();
    },
    failed: (method, error) => log.error({ method: method.name, err: error }, "a call failed"),
    refused: (method, caller, error, from) => log.warn({ method: method.name, caller: caller.kind, reason: error.reason, from }, "refused"),
  };
}
