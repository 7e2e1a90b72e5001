import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { systemClock } from "@xiezhi/base/clock.ts";
import type { Heard } from "./reporter.ts";

export interface Suite {
  name: string;
  /** Relative to the repository. */
  files: string[];
  filesAtOnce: number;
  /** A program that runs what stands behind its name: what the suite needs around it. Relative to the repository. */
  within?: string;
  /** The whole suite's; when it is over its process group is killed. */
  limitMs: number;
}

export interface SuiteResult {
  passed: number;
  failed: number;
  skipped: number;
  ms: number;
}

/** Runs one `node --test` in a process group of its own; tells `complain` what failed. What it leaves running is killed and counts as a failure. */
export async function runSuite(root: string, suite: Suite, complain: (text: string) => void): Promise<SuiteResult> {
  const begunUs = systemClock.monoUs();
  const reporter = fileURLToPath(new URL("./reporter.ts", import.meta.url));
  const words = ["--test", `--test-concurrency=${suite.filesAtOnce}`, `--test-reporter=${reporter}`, "--test-reporter-destination=stdout"];
  // Without NODE_TEST_CONTEXT, by which node would take this for a test inside a test and run nothing.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const around = suite.within === undefined ? [] : [join(root, suite.within), process.execPath];
  const child = spawn(process.execPath, [...around, ...words, ...suite.files.map((file) => join(root, file))], {
    cwd: root,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const interrupted = () => {
    killGroup(child);
    process.exit(130);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  const result = { passed: 0, failed: 0, skipped: 0, ms: 0 };
  const unfinished = new Set(suite.files);
  const hear = (heard: Heard) => {
    if (heard.kind === "failure") {
      complain(`✖ ${heard.name} (${relative(root, heard.file)}:${heard.line})\n${heard.text}`);
      result.failed++;
    } else if (heard.kind === "output") complain(heard.text);
    else if (heard.kind === "finished") unfinished.delete(relative(root, heard.file));
    else result[heard.kind]++;
  };
  const limit = systemClock.after(suite.limitMs, () => {
    complain(`${suite.name}: not over after ${suite.limitMs / 1000} s, killed. Files not finished: ${[...unfinished].join(" ")}`);
    result.failed++;
    killGroup(child);
  });
  const ended = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) hear(JSON.parse(line) as Heard);
  const [code] = await ended;
  limit.cancel();
  process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  if (code !== 0 && result.failed === 0) {
    complain(`${suite.name}: node --test ended with ${code} and named no failure`);
    result.failed++;
  }
  const left = membersOf(child.pid);
  if (left.length > 0) {
    complain(`${suite.name}: left running: ${left.join(", ")}`);
    result.failed++;
    killGroup(child);
  }
  result.ms = (systemClock.monoUs() - begunUs) / 1e3;
  return result;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // nobody is left in it
  }
}

/** Command lines of the living processes of a group (proc(5): the fifth field of `stat` is the group, the third the state). */
function membersOf(group: number | undefined): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [state, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(processGroup) !== group || state === "Z" || state === "X") return [];
      return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim().slice(0, 120)];
    } catch {
      return []; // it ended while we looked
    }
  });
}
