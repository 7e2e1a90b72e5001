import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";

/** Whoever is measured has the first core for itself, whoever makes its work has the second. */
export const MEASURED_CORE = 0;
export const LOAD_CORE = 1;

/** One of the bench's own programs: it says what it has to say by IPC, and ends when it is told "stop" or the bench is gone. */
export interface Program {
  pid: number;
  /** The next thing that it says. */
  says<T>(): Promise<T>;
  /** Resolves with its last words, when it has ended. */
  stop<T>(): Promise<T>;
  kill(): void;
}

export function startProgram(core: number, words: readonly string[]): Program {
  const child = startPinned(core, process.execPath, words, true);
  return {
    pid: child.pid ?? Number.NaN,
    says: () => nextMessage(child),
    async stop<T>() {
      const ended = once(child, "exit");
      const last = nextMessage<T>(child);
      child.send("stop");
      const words = await last;
      await ended;
      return words;
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** A command that may run on one core only; its errors are shown. */
export function startPinned(core: number, command: string, words: readonly string[], ipc = false): ChildProcess {
  const pinned = availableParallelism() > core ? ["taskset", "-c", String(core), command] : [command];
  const [first = command, ...others] = pinned;
  return spawn(first, [...others, ...words], { stdio: ["ignore", 2, 2, ...(ipc ? (["ipc"] as const) : [])] });
}

/** Can a command be run? A bench whose peer can't says so. */
export function isInstalled(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)));
}

async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const exited = once(child, "exit", { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`a program of the bench ended with ${String(signal ?? code)}`);
  });
  const message = once(child, "message", { signal: ended.signal }).then(([words]) => words as T);
  try {
    return await Promise.race([message, exited]);
  } finally {
    ended.abort();
    await Promise.allSettled([message, exited]);
  }
}
