import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Clock } from "@xiezhi/base/clock.ts";

/** Marks every process of one run in its environment, adopted and detached ones too. */
export const RUN_VARIABLE = "XIEZHI_RUN";
const TICKS_PER_SECOND = 100;
const LOOK_EACH_MS = 50;

export interface ProcessUse {
  name: string;
  pid: number;
  pssBytes: number;
  cpuSeconds: number;
}

/** What the processes of a run use now, from /proc; the asking process is left out. */
export function processesOf(run: string): ProcessUse[] {
  const found: ProcessUse[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${RUN_VARIABLE}=${run}`)) continue;
      found.push({ pid, name: nameOf(pid), pssBytes: pssOf(pid), cpuSeconds: cpuOf(pid) });
    } catch {
      // It has ended while we looked.
    }
  }
  return found;
}

/** Ends what a run has left; what does not end by itself within `graceMs` is killed. */
export async function endRun(run: string, clock: Clock, graceMs: number): Promise<void> {
  signalAll(run, "SIGTERM");
  for (const endMs = clock.nowMs() + graceMs; processesOf(run).length > 0; await clock.sleep(LOOK_EACH_MS))
    if (clock.nowMs() > endMs) signalAll(run, "SIGKILL");
}

function signalAll(run: string, signal: NodeJS.Signals): void {
  for (const { pid } of processesOf(run)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended while we looked.
    }
  }
}

function nameOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8")
    .split("\0")
    .filter((word) => word !== "");
  const script = words.find((word) => word.endsWith(".ts"));
  const about = words.findLast((word) => word.endsWith(".json"));
  if (script === undefined) return basename(words[0] ?? "?");
  const folder = about?.split("/").at(-2) ?? "";
  return `${script.split("/").slice(-3).join("/")}${folder === "" ? "" : ` ${folder}`}`;
}

function pssOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // After the name in brackets, which may hold anything: state is field 3, utime 14, stime 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
