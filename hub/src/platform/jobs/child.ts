import { spawn } from "node:child_process";
import type { Clock } from "@xiezhi/base/clock.ts";

const OUTPUT_MAX_CHARACTERS = 1 << 20;
const REASON_CHARACTERS = 500;

export interface ChildJob {
  /** Path of a program of ours. It reads one JSON object on stdin and writes its result as one on stdout. */
  program: string;
  input: object;
  /** Killed after this long. */
  withinMs: number;
  signal: AbortSignal;
}

/** Work that must not hold up the one process that has the database: a process of its own, given all it needs, low in priority. */
export async function runChild(clock: Clock, { program, input, withinMs, signal }: ChildJob): Promise<unknown> {
  const child = spawn("nice", ["-n", "10", process.execPath, "--disable-warning=ExperimentalWarning", program], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true, // its own process group: what it has started ends with it
  });
  let out = "";
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (out = (out + piece).slice(0, OUTPUT_MAX_CHARACTERS)));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (said = (said + piece).slice(-REASON_CHARACTERS)));
  const kill = () => killGroup(child.pid);
  const timer = clock.after(withinMs, kill);
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  child.stdin.on("error", () => undefined); // it ended before it read: its exit says so
  child.stdin.end(JSON.stringify(input));
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, killed) => (code === 0 ? resolve() : reject(new Error(said.trim() || killed || `exit ${code}`))));
    });
    return JSON.parse(out);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", kill);
  }
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // nobody is left in it
  }
}
