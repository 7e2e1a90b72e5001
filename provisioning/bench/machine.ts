import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock } from "@xiezhi/base/clock.ts";

/** USER_HZ, which is 100 on every Linux that Debian makes. */
const TICK_US = 10_000;

/** Time on a core that a process with all its threads has used since it began, microseconds. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Behind the name in brackets, which may hold anything: field 3 is first, utime is 14, stime 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Memory that is a process's own, and its part of what it shares. */
export function pssBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? Number.NaN) * 1024;
}

/** Which part of all cores others use now, 0 to 1, looked at for a second. Above 0.05 figures are good for ratios at most. */
export async function foreignLoad(clock: Clock): Promise<number> {
  const before = busyAndAll();
  await clock.sleep(1_000);
  const after = busyAndAll();
  return (after.busy - before.busy) / (after.all - before.all);
}

function busyAndAll(): { busy: number; all: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, ...rest] = line.split(/\s+/).slice(1).map(Number);
  const others = rest.reduce((sum, one) => sum + one, 0);
  return { busy: user + nice + system + others, all: user + nice + system + others + idle + wait };
}

/** A folder that is gone when `act` has ended. */
export async function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "xb-"));
  try {
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
