import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { systemClock as clock } from "@xiezhi/base/clock.ts";

/** What a terminal sends when Ctrl-C is typed. */
const CONTROL_C = "\x03";
const LOOK_EACH_MS = 50;

/** A program at a terminal of its own: what is typed goes through the kernel's line discipline, so Ctrl-C is a real one. */
export class Terminal {
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown[]>;
  /** All that stood on the screen. */
  screen = "";

  constructor(command: string, env: Record<string, string>) {
    // By `script` of util-linux, which every Debian has: -e its exit code is the command's, -f nothing is held back. `exec`, because
    // Ctrl-C reaches a shell that waits for its command, too: dash, script's shell where SHELL is not set, dies of it in any case.
    this.child = spawn("script", ["-qefc", `exec ${command}`, "/dev/null"], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.ended = once(this.child, "exit");
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
    });
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  typeControlC(): void {
    this.type(CONTROL_C);
  }

  /** The first match on the screen. Throws what stands there when it does not come, or when the command has ended without it. */
  async shows(pattern: RegExp, withinMs: number): Promise<RegExpExecArray> {
    const deadlineMs = clock.nowMs() + withinMs;
    for (;;) {
      // Asked before looking: what it printed last is on the screen then.
      const over = this.child.exitCode !== null || clock.nowMs() > deadlineMs;
      const found = pattern.exec(this.screen);
      if (found) return found;
      if (over) throw new Error(`not shown within ${withinMs} ms: ${pattern}; the screen:\n${this.screen}`);
      await clock.sleep(LOOK_EACH_MS);
    }
  }

  /** The command's exit code. */
  async exitCode(): Promise<number> {
    return Number((await this.ended)[0]);
  }

  /** The terminal is closed, as by its window's cross. */
  close(): void {
    this.child.kill("SIGKILL");
  }
}
