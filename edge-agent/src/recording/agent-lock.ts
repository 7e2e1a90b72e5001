import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { writeDurably } from "@xiezhi/base/files.ts";
import { bootId } from "@xiezhi/media/spool/boot.ts";

interface Holder {
  bootId: string;
  pid: number;
  /** When that process was started, in the kernel's clock ticks: pids are used again. */
  started: string;
}

/** One agent a room: two would write the same ledger. Throws when another one lives; what a dead one left is taken over. */
export async function takeLock(file: string): Promise<() => Promise<void>> {
  const holder = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Holder) : undefined;
  const lives = holder && holder.bootId === bootId() && holder.pid !== process.pid && startedOf(holder.pid) === holder.started;
  if (lives) throw new Error(`another agent of this room runs (pid ${holder.pid})`);
  await writeDurably(file, JSON.stringify({ bootId: bootId(), pid: process.pid, started: startedOf(process.pid) ?? "" } satisfies Holder));
  return () => rm(file, { force: true });
}

/** Field 22 of /proc/<pid>/stat (proc(5)); undefined when there is no such process. */
function startedOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
