import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { AgentService } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import type { AgentConfig } from "../agent.config.ts";
import type { Devices } from "../devices/devices.part.ts";
import type { Memory } from "../memory/memory.part.ts";
import { Wakeup } from "../room/streams.ts";

/** Every device is told of this often, changed or not: silence means that the room is away. */
const REPORT_EACH_MS = 5_000;

export interface BridgeOptions {
  clock: Clock;
  room: AgentConfig["room"];
  siteId: string;
  bootId: string;
  agentVersion: string;
  devices: Devices;
  memory: Memory;
}

/** What hub and room tell each other beside hearings: what the room must remember, and how its devices are. */
export function bridge({ clock, room, siteId, bootId, agentVersion, devices, memory }: BridgeOptions): Implementation {
  return implement(AgentService, {
    remember: async (request) => ({ version: await memory.remember(request) }),
    report: async function* (_request, { signal }) {
      const wake = new Wakeup(signal);
      const stop = devices.onChange(() => wake.now());
      const timer: Timer = clock.every(REPORT_EACH_MS, () => wake.now());
      try {
        while (!signal.aborted) {
          yield { room: { ...room, siteId }, devices: devices.list(), bootId, agentVersion };
          await wake.wait();
        }
      } finally {
        stop();
        timer.cancel();
      }
    },
  });
}
