import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { homeFolder } from "../../src/demo/home.ts";
import { Terminal } from "./terminal.ts";

export const repository = fileURLToPath(new URL("../../..", import.meta.url));
/** Set-up has been done, so this is patience, not a bar: `npm run bench` measures the start. */
export const UP_WITHIN_MS = 60_000;
/** Of a command that Ctrl-C has ended: it closed in good order, or the signal that npm repeats came when it was about to exit. */
export const INTERRUPTED = [0, 130];

/** An empty home but for the demo's clips; gone with the test, and before it whatever was started with it. */
export async function newHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "xz-start-"));
  await symlink(join(homeFolder(), "clips"), join(home, "clips"));
  t.after(async () => {
    for (const { pid } of processesOfHome(home)) process.kill(pid, "SIGKILL");
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });
  return home;
}

/** `npm start` as a newcomer types it. */
export function npmStart(t: TestContext, home: string, ...words: string[]): Terminal {
  const terminal = new Terminal(["npm", "--prefix", repository, "start", ...words].join(" "), { XIEZHI_HOME: home });
  t.after(() => terminal.close());
  return terminal;
}

/** The demo is up: what the screen says of it. */
export async function up(terminal: Terminal): Promise<{ portal: string; logins: Record<string, string> }> {
  await terminal.shows(/Ctrl-C ends all of it/, UP_WITHIN_MS);
  const portal = /http:\/\/localhost:\d+/.exec(terminal.screen)?.[0] ?? "";
  const logins = [...terminal.screen.matchAll(/^ {2}(\w+) +((?:[a-z2-9]{4}-){3}[a-z2-9]{4}) /gm)].map(([, login, password]) => [
    login,
    password,
  ]);
  return { portal, logins: Object.fromEntries(logins) };
}

/** All that was started with this home, by its environment; zombies have none. */
export function processesOfHome(home: string): { pid: number; command: string }[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`XIEZHI_HOME=${home}`)) return [];
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") }];
    } catch {
      return []; // it has ended while we looked, or is somebody else's
    }
  });
}
