import { AgentService } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import type { Memory } from "../memory/memory.part.ts";

/** What the hub tells a room beside hearings: what it must remember to work alone. */
export function bridge(memory: Memory): Implementation {
  return implement(AgentService, {
    remember: async (request) => ({ version: await memory.remember(request) }),
  });
}
