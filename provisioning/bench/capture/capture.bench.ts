/**
 * P1, P2, P3: what recording costs, beside one `ffmpeg -c copy` a camera. Both receive the same simulated cameras (a process
 * of their own on the second core) in turn, on the first core. Ours counts RTSP, depacketizing, chunks, writing, SHA-256, fdatasync
 * each second, ledger and checkpoints: capture workers and the agent's spool process. With --control each chunk costs 1 ms more.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { alone, compared, median, PEER_MISSING, print, rounded } from "../figure.ts";
import { cpuUs, diskBytes, foreignLoad, inFolder, pssBytes } from "../machine.ts";
import { cameras, control, pairsOr, secondsOr } from "../options.ts";
import { isInstalled, LOAD_CORE, MEASURED_CORE, type Program, startPinned, startProgram } from "../program.ts";
import type { RecorderBegun, RecorderEnded } from "./recorder.main.ts";

const pairs = pairsOr({ short: 2, long: 5 });
const seconds = secondsOr({ short: 20, long: 60 });
/** Before the window: ffmpeg looks at its input for some seconds, V8 makes what is hot fast. Hearings last hours. */
const SETTLE_MS = 15_000;
const CLIPS = join(process.env["XIEZHI_HOME"] ?? fileURLToPath(new URL("../../../var", import.meta.url)), "clips");
const main = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

interface Use {
  /** Of one core, for each camera. */
  cpuPart: number;
  pssBytes: number;
  diskBytes: number;
}

async function measure(pids: readonly number[], pssOf: readonly number[]): Promise<Use> {
  const sum = (of: (pid: number) => number, all = pids) => all.reduce((total, pid) => total + of(pid), 0);
  await clock.sleep(SETTLE_MS);
  const before = { cpu: sum(cpuUs), disk: sum(diskBytes), us: clock.monoUs() };
  await clock.sleep(seconds * 1e3);
  const elapsedUs = clock.monoUs() - before.us;
  return {
    cpuPart: (sum(cpuUs) - before.cpu) / elapsedUs / cameras,
    pssBytes: sum(pssBytes, pssOf),
    diskBytes: (sum(diskBytes) - before.disk) / elapsedUs,
  };
}

async function measureOurs(folder: string, urls: readonly string[]): Promise<Use & { agentPssBytes: number }> {
  const preload = control ? main("slow-chunks.ts") : "";
  const startedUs = clock.monoUs();
  const recorder = startProgram(MEASURED_CORE, [main("recorder.main.ts"), folder, preload, ...urls]);
  try {
    const { agentPid, workerPids } = await recorder.says<RecorderBegun>();
    const use = await measure([agentPid, ...workerPids], workerPids);
    const agentPssBytes = pssBytes(agentPid);
    const ended = await recorder.stop<RecorderEnded>();
    const lastedS = (clock.monoUs() - startedUs) / 1e6;
    if (ended.lostPackets > 0) throw new Error(`${ended.lostPackets} packets lost: the load was too much for this machine`);
    if (ended.mediaBytes < 250_000 * cameras * (lastedS - 4)) throw new Error("the recorder received less than was sent");
    return { ...use, agentPssBytes };
  } finally {
    recorder.kill();
  }
}

async function measurePeer(folder: string, urls: readonly string[]): Promise<Use> {
  const output = "-c copy -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 1000000".split(" ");
  const children = urls.map((url, at) =>
    startPinned(MEASURED_CORE, "ffmpeg", [
      "-nostdin",
      "-loglevel",
      "error",
      "-rtsp_transport",
      "tcp",
      "-i",
      url,
      ...output,
      join(folder, `${at}.mp4`),
    ]),
  );
  try {
    const pids = children.map(({ pid }) => pid ?? Number.NaN);
    return await measure(pids, pids);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

async function run(sender: Program): Promise<void> {
  const urls = await sender.says<string[]>();
  const foreign = await foreignLoad(clock);
  const note = `${pairs} pairs of ${seconds} s; others used ${Math.round(foreign * 100)} % of the machine before it`;
  const ours: Awaited<ReturnType<typeof measureOurs>>[] = [];
  const peers: Use[] = [];
  const hasPeer = isInstalled("ffmpeg");
  for (let pair = 0; pair < pairs; pair++) {
    ours.push(await inFolder((folder) => measureOurs(folder, urls)));
    if (hasPeer) peers.push(await inFolder((folder) => measurePeer(folder, urls)));
  }
  const against = (of: (use: Use) => number) =>
    hasPeer ? compared(ours.map((use, at) => ({ ours: of(use), peer: of(peers[at] as Use) }))) : alone(ours.map(of), PEER_MISSING);
  const name = (what: string) => `${what} at ${cameras} cameras${control ? ", control: 1 ms more a chunk" : ""}`;
  print({
    name: name("P1 recorder CPU"),
    ...against((use) => use.cpuPart * 100),
    unit: "% of a core a camera",
    bar: { atMost: 1 },
    note,
  });
  if (control) return;
  print({
    name: name("P2 recorder memory"),
    ...against((use) => use.pssBytes / 1e6),
    unit: "MB Pss in all",
    bar: { atMost: cameras < 16 ? 0.7 : 0.6 },
    note: `${note}; beside it the agent's spool process ${rounded(median(ours.map((use) => use.agentPssBytes / 1e6)))} MB`,
  });
}

const sender = startProgram(LOAD_CORE, [main("cameras.main.ts"), String(cameras), CLIPS]);
try {
  await run(sender);
} finally {
  sender.kill();
}
