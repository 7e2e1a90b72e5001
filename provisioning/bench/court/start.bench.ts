/**
 * A second `npm start`: from the command to the first answer of the portal's page, in a home where the first start has made
 * keys, database and users. Set-up's look for what is missing is in it. --pairs N: that many second starts. With --control
 * the start is held up for 16 s.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { homeFolder } from "../../src/demo/home.ts";
import { p95, print, rounded } from "../figure.ts";
import { foreignLoad, inFolder } from "../machine.ts";
import { control, pairsOr } from "../options.ts";

const starts = pairsOr({ short: 2, long: 5 });
const root = fileURLToPath(new URL("../../..", import.meta.url));
const HELD_UP_MS = 16_000;
const WITHIN_MS = 120_000;
const ASK_EACH_MS = 20;

/** Starts the demo and ends it as Ctrl-C does. Answers how long the portal took to answer, seconds. */
async function start(home: string, heldUp: boolean): Promise<number> {
  const beganUs = clock.monoUs();
  const env = { ...process.env, XIEZHI_HOME: home };
  // What it prints holds passwords.
  const child = spawn("npm", ["start"], { cwd: root, env, detached: true, stdio: ["ignore", "ignore", 2] });
  const ended = once(child, "exit");
  const group = -(child.pid ?? Number.NaN);
  try {
    if (heldUp) {
      process.kill(group, "SIGSTOP");
      clock.after(HELD_UP_MS, () => process.kill(group, "SIGCONT"));
    }
    for (; !(await portalAnswers(home)); await clock.sleep(ASK_EACH_MS)) {
      if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}`);
      if (clock.monoUs() - beganUs > WITHIN_MS * 1e3) throw new Error(`no portal after ${WITHIN_MS / 1e3} s`);
    }
    return (clock.monoUs() - beganUs) / 1e6;
  } finally {
    if (child.exitCode === null) process.kill(group, "SIGINT");
    await ended;
  }
}

async function portalAnswers(home: string): Promise<boolean> {
  try {
    const ports = JSON.parse(await readFile(join(home, "ports.json"), "utf8")) as Record<string, number>;
    const answer = await fetch(`http://localhost:${ports["portal"]}/`);
    return answer.ok && (await answer.text()).includes("<script");
  } catch {
    return false;
  }
}

const foreign = await foreignLoad(clock);
await inFolder(async (home) => {
  await symlink(join(homeFolder(), "clips"), join(home, "clips"));
  const firstS = await start(home, false);
  const seconds: number[] = [];
  for (let at = 0; at < starts; at++) seconds.push(await start(home, control));
  const note = `p95 of ${starts} starts; the first took ${rounded(firstS)} s; others used ${Math.round(foreign * 100)} % of the machine before it`;
  const name = `second start until the portal answers${control ? ", control: held up" : ""}`;
  print({ name, ...p95(seconds), unit: "s", bar: { atMost: 15 }, note });
});
