/** What recording costs, measured the same of whoever records; and the peer: one `ffmpeg -c copy` a camera. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { homeFolder } from "../../src/demo/home.ts";
import { alone, compared, PEER_MISSING } from "../figure.ts";
import { cpuUs, foreignLoad, inFolder, pssBytes } from "../machine.ts";
import { cameras, pairsOr, secondsOr } from "../options.ts";
import { isInstalled, LOAD_CORE, MEASURED_CORE, type Program, startPinned, startProgram } from "../program.ts";

const pairs = pairsOr({ short: 2, long: 5 });
const seconds = secondsOr({ short: 20, long: 60 });
/** Before the window: ffmpeg looks at its input for some seconds, V8 makes what is hot fast. Hearings last hours. */
const SETTLE_MS = 15_000;

/** What some processes use together. */
export interface Use {
  /** Of one core, for each camera. */
  cpuPart: number;
  pssBytes: number;
}

/** Of each of the processes, after they have settled. */
export async function measure(pids: readonly number[]): Promise<Use[]> {
  await clock.sleep(SETTLE_MS);
  const before = pids.map(cpuUs);
  const beganUs = clock.monoUs();
  await clock.sleep(seconds * 1e3);
  const elapsedUs = clock.monoUs() - beganUs;
  return pids.map((pid, at) => ({ cpuPart: (cpuUs(pid) - (before[at] ?? Number.NaN)) / elapsedUs / cameras, pssBytes: pssBytes(pid) }));
}

export function together(uses: readonly Use[]): Use {
  const sum = (of: (use: Use) => number) => uses.reduce((total, use) => total + of(use), 0);
  return { cpuPart: sum((use) => use.cpuPart), pssBytes: sum((use) => use.pssBytes) };
}

/** Ours and the peer's in turn, so that both see the same noise. */
export async function inTurn<Ours extends Use>(urls: readonly string[], measureOurs: () => Promise<Ours>) {
  const ours: Ours[] = [];
  const peers: Use[] = [];
  const hasPeer = isInstalled("ffmpeg");
  for (let pair = 0; pair < pairs; pair++) {
    ours.push(await measureOurs());
    if (hasPeer) peers.push(await inFolder((folder) => measurePeer(folder, urls)));
  }
  const against = (of: (use: Use) => number) =>
    hasPeer ? compared(ours.map((use, at) => ({ ours: of(use), peer: of(peers[at] as Use) }))) : alone(ours.map(of), PEER_MISSING);
  return { ours, cpu: against((use) => use.cpuPart * 100), memory: against((use) => use.pssBytes / 1e6) };
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
    return together(await measure(children.map(({ pid }) => pid ?? Number.NaN)));
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

/** As many simulated cameras as are asked for, on the second core; `act` gets their addresses, and what to note of the run. */
export async function withCameras(act: (urls: readonly string[], note: string) => Promise<void>): Promise<void> {
  const main = fileURLToPath(new URL("./cameras.main.ts", import.meta.url));
  const sender: Program = startProgram(LOAD_CORE, [main, String(cameras), join(homeFolder(), "clips")]);
  try {
    const urls = await sender.says<string[]>();
    const foreign = await foreignLoad(clock);
    await act(urls, `${pairs} pairs of ${seconds} s; others used ${Math.round(foreign * 100)} % of the machine before it`);
  } finally {
    sender.kill();
  }
}
