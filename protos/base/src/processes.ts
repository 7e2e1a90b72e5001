import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Clock, Timer } from "./clock.ts";
import type { Log } from "./log.ts";

/**
 * Node's words for a program that media pass through: new objects get little room, so that buffers that are done with are soon
 * found. With Node's own 16 MB they wait there, and their bytes outside the heap make V8 mark all of it every two seconds.
 */
export const CARRIES_MEDIA = ["--max-semi-space-size=2"] as const;

/** One program that another one runs: declared in `main.ts`, run by `Processes`. */
export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** `always`: started again after `restartMs` (doubling to 5 s) whenever it ends. `never`: its end is reported only. */
  restart: "always" | "never";
  restartMs?: number;
  /** Its own process group and no pipes: it outlives this process until it notices itself (capture workers). */
  outlives?: boolean;
  /** Its own process group: Ctrl-C at this process's terminal does not reach it, so it ends when it is stopped and not before. */
  ownGroup?: boolean;
  /** stdout and stderr are appended here; else they are this process's stderr. */
  logFile?: string;
  /** Time between SIGTERM and SIGKILL when stopped, milliseconds. */
  graceMs?: number;
}

interface Running {
  spec: ProcessSpec;
  child: ChildProcess | undefined;
  timer: Timer | undefined;
  stopping: boolean;
  backoffMs: number;
  startedUs: number;
}

/** Runs the processes that a program declares, restarts them by policy, and stops only what it started. */
export class Processes {
  private readonly running = new Map<string, Running>();
  private readonly clock: Clock;
  private readonly log: Log;
  /** Told of each end: name, exit code or signal. */
  onExit: (name: string, how: string) => void = () => {};

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  start(spec: ProcessSpec): void {
    if (this.running.has(spec.name)) throw new Error(`process ${spec.name} runs already`);
    const entry: Running = { spec, child: undefined, timer: undefined, stopping: false, backoffMs: spec.restartMs ?? 250, startedUs: 0 };
    this.running.set(spec.name, entry);
    this.spawn(entry);
  }

  pid(name: string): number | undefined {
    return this.running.get(name)?.child?.pid;
  }

  list(): { name: string; pid: number | undefined }[] {
    return [...this.running.values()].map(({ spec, child }) => ({ name: spec.name, pid: child?.pid }));
  }

  async stop(name: string): Promise<void> {
    const entry = this.running.get(name);
    if (!entry) return;
    this.running.delete(name);
    entry.stopping = true;
    entry.timer?.cancel();
    const { child } = entry;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const kill = this.clock.after(entry.spec.graceMs ?? 5_000, () => child.kill("SIGKILL"));
    await ended;
    kill.cancel();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((name) => this.stop(name)));
  }

  private spawn(entry: Running): void {
    const { spec } = entry;
    const out = spec.logFile === undefined ? undefined : openSync(spec.logFile, "a", 0o600);
    const child = spawn(spec.command, [...spec.args], {
      env: { ...process.env, ...spec.env },
      detached: spec.outlives ?? spec.ownGroup ?? false,
      stdio: ["ignore", out ?? (spec.outlives ? "ignore" : 2), out ?? (spec.outlives ? "ignore" : 2)],
    });
    if (out !== undefined) closeSync(out);
    if (spec.outlives) child.unref();
    entry.child = child;
    entry.startedUs = this.clock.monoUs();
    let over = false;
    const ended = (how: string) => {
      if (over) return;
      over = true;
      this.onExit(spec.name, how);
      if (entry.stopping) return;
      this.log.warn({ process: spec.name, how }, "process ended");
      if (spec.restart === "never") {
        this.running.delete(spec.name);
        return;
      }
      if (this.clock.monoUs() - entry.startedUs > 10e6) entry.backoffMs = spec.restartMs ?? 250;
      entry.timer = this.clock.after(entry.backoffMs, () => this.spawn(entry));
      entry.backoffMs = Math.min(entry.backoffMs * 2, 5_000);
    };
    child.once("error", (error) => ended(error.message));
    child.once("exit", (code, signal) => ended(signal ?? `exit ${code}`));
  }
}
