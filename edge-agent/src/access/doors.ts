import { peerOf } from "@xiezhi/enrol/peer.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { rights } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import type { Log } from "@xiezhi/base/log.ts";
import { getOption } from "@bufbuild/protobuf";
import type { Caller, Door } from "@xiezhi/rpc/service.ts";

const errors = defineErrors("ACCESS", {
  programsOnly: () => ({
    code: "PERMISSION_DENIED",
    reason: "PROGRAMS_ONLY",
    zh: "此处仅限本院中心服务调用",
    en: "only the hub may call here",
  }),
});

/** The hub calls over a connection that we dialled: TLS has proven who is at the other end. */
export function dialledDoor(log: Log): Door {
  return doorFor(log, async () => ({ kind: "program", name: "hub" }));
}

/** Whoever calls at the agent's own port is who the client certificate names. */
export function certificateDoor(log: Log): Door {
  return doorFor(log, async ({ certificate }) => {
    const peer = peerOf(certificate?.uris ?? []);
    return peer?.kind === "program" ? { kind: "program", name: peer.name } : { kind: "nobody" };
  });
}

function doorFor(log: Log, authenticate: Door["authenticate"]): Door {
  return {
    authenticate,
    async authorize(method, _request, caller: Caller) {
      if (caller.kind === "program" || getOption(method, rights).open) return;
      throw errors.programsOnly();
    },
    refused: (method, _caller, { reason }, from) => log.warn({ method: method.name, reason, from }, "refused"),
    failed: (method, error) => log.error({ method: method.name, err: error }, "failed"),
  };
}
