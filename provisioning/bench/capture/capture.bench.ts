/**
 * P1, P2: what recording costs, beside one `ffmpeg -c copy` a camera. Both receive the same simulated cameras (a process
 * of their own on the second core) in turn, on the first core. Ours counts RTSP, depacketizing, chunks, writing, SHA-256, fdatasync
 * each second, ledger and checkpoints: capture workers and the agent's spool process. With --control each chunk costs 1 ms more.
 */
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { median, print, rounded } from "../figure.ts";
import { inFolder } from "../machine.ts";
import { cameras, control } from "../options.ts";
import { MEASURED_CORE, startProgram } from "../program.ts";
import type { RecorderBegun, RecorderEnded } from "./recorder.main.ts";
import { inTurn, measure, together, type Use, withCameras } from "./recording-cost.ts";

const main = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

async function measureOurs(folder: string, urls: readonly string[]): Promise<Use & { agentPssBytes: number }> {
  const preload = control ? main("slow-chunks.ts") : "";
  const startedUs = clock.monoUs();
  const recorder = startProgram(MEASURED_CORE, [main("recorder.main.ts"), folder, preload, ...urls]);
  try {
    const { agentPid, workerPids } = await recorder.says<RecorderBegun>();
    const [agent, ...workers] = await measure([agentPid, ...workerPids]);
    if (!agent) throw new Error("no agent was measured");
    const ended = await recorder.stop<RecorderEnded>();
    const lastedS = (clock.monoUs() - startedUs) / 1e6;
    if (ended.lostPackets > 0) throw new Error(`${ended.lostPackets} packets lost: the load was too much for this machine`);
    if (ended.mediaBytes < 250_000 * cameras * (lastedS - 4)) throw new Error("the recorder received less than was sent");
    return { cpuPart: together([agent, ...workers]).cpuPart, pssBytes: together(workers).pssBytes, agentPssBytes: agent.pssBytes };
  } finally {
    recorder.kill();
  }
}

await withCameras(async (urls, note) => {
  const { ours, cpu, memory } = await inTurn(urls, () => inFolder((folder) => measureOurs(folder, urls)));
  const name = (what: string) => `${what} at ${cameras} cameras${control ? ", control: 1 ms more a chunk" : ""}`;
  print({ name: name("P1 recorder CPU"), ...cpu, unit: "% of a core a camera", bar: { atMost: 1 }, note });
  if (control) return;
  const agentMb = rounded(median(ours.map((use) => use.agentPssBytes / 1e6)));
  print({
    name: name("P2 recorder memory"),
    ...memory,
    unit: "MB Pss in all",
    bar: { atMost: cameras < 16 ? 0.7 : 0.6 },
    note: `${note}; beside it the agent's spool process ${agentMb} MB`,
  });
});
