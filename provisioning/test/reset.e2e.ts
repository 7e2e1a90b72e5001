import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { STATE } from "../src/commands/reset.ts";
import { INTERRUPTED, newHome, npmStart, processesOfHome, repository, UP_WITHIN_MS, up } from "./start/npm-start.ts";

const QUESTION = /Type "reset" to clear them: /;
/** What a program of the demo makes in its home. */
const MADE = ["hub", "agents", "authority", "devices"];

function pidsOf(home: string): number[] {
  return processesOfHome(home).map(({ pid }) => pid);
}

async function portsOf(home: string): Promise<number[]> {
  return Object.values(JSON.parse(await readFile(join(home, "ports.json"), "utf8")) as Record<string, number>);
}

function common<T>(some: readonly T[], others: readonly T[]): T[] {
  return some.filter((one) => others.includes(one));
}

/** Resolves once the process that runs this program is there. */
async function running(home: string, program: string): Promise<number> {
  for (const deadlineMs = clock.nowMs() + UP_WITHIN_MS; ; await clock.sleep(10)) {
    const found = processesOfHome(home).find(({ command }) => command.includes(program));
    if (found) return found.pid;
    assert.ok(clock.nowMs() < deadlineMs, `${program} does not run within ${UP_WITHIN_MS} ms`);
  }
}

test("a killed demo's leftovers are ended by the next start, another home's demo goes on; --reset clears what the demo made, when told", {
  timeout: 300_000,
}, async (t) => {
  const [home, elsewhere] = [await newHome(t), await newHome(t)];
  const [killed, other] = [npmStart(t, home), npmStart(t, elsewhere)];
  const [{ portal }, { portal: otherPortal }] = await Promise.all([up(killed), up(other)]);
  const [ports, otherPorts] = await Promise.all([portsOf(home), portsOf(elsewhere)]);
  assert.deepEqual(common(ports, otherPorts), [], `${portal} and ${otherPortal} at once`);

  assert.deepEqual(
    (await readdir(home)).toSorted(),
    ["clips", ...common(STATE, await readdir(home))].toSorted(),
    "--reset knows all of it",
  );

  process.kill(await running(home, "provisioning/src/main.ts start"), "SIGKILL");
  await killed.exitCode();
  const left = pidsOf(home);
  const others = [await running(elsewhere, "hub/src/main.ts"), await running(elsewhere, "edge-agent/src/main.ts")];
  assert.ok(left.length > 0, "killed, it ends nothing");
  const former = MADE.map((folder) => join(home, folder, "former"));
  for (const file of [...former, join(home, "mine.txt")]) await writeFile(file, "");
  const before = await readdir(home);

  // Nobody is there to answer: `execFile` gives it a pipe.
  const asked = promisify(execFile)("npm", ["--prefix", repository, "start", "--", "--reset"], {
    env: { ...process.env, XIEZHI_HOME: home },
  });
  asked.child.stdin?.end("reset\n");
  await assert.rejects(asked, { code: 1, stderr: "--reset asks before it clears recordings, and nobody is there to answer\n" });

  const asking = npmStart(t, home, "--", "--reset");
  await asking.shows(QUESTION, UP_WITHIN_MS);
  assert.deepEqual(common(left, pidsOf(home)), []);
  asking.typeControlC();
  assert.equal(await asking.exitCode(), 1);
  assert.match(asking.screen, /\r\nnothing was cleared\r\n$/);
  assert.deepEqual(await readdir(home), before);

  const clearing = npmStart(t, home, "--", "--reset");
  await clearing.shows(QUESTION, UP_WITHIN_MS);
  clearing.type("reset\r");
  await running(home, "hub/src/main.ts");
  assert.deepEqual(former.filter(existsSync), []);
  assert.deepEqual(common(["clips", "mine.txt"], await readdir(home)), ["clips", "mine.txt"]);
  clearing.typeControlC();
  assert.ok(INTERRUPTED.includes(await clearing.exitCode()), clearing.screen);
  assert.deepEqual(processesOfHome(home), [], "Ctrl-C ends a start that is not over yet, too");

  assert.deepEqual(common(others, pidsOf(elsewhere)), others);
  other.typeControlC();
  assert.ok(INTERRUPTED.includes(await other.exitCode()), other.screen);
  assert.deepEqual(processesOfHome(elsewhere), []);
});
