import assert from "node:assert/strict";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import type { DemoRoom } from "../src/demo/court.ts";
import { homeFolder } from "../src/demo/home.ts";
import { processesOf } from "../src/demo/proc.ts";
import { type CourtOptions, RunningCourt } from "../src/demo/running-court.ts";

/** What outlived the room, as it does an agent that was killed, ends by itself. */
const ENDS_WITHIN_MS = 5_000;

interface DemoCourtOptions extends Pick<CourtOptions, "absentCamera" | "brokerUrl"> {
  /** Where all lies that the hub keeps. */
  hubFolder?: string;
}

/** The demo's hub and these rooms in a home of their own, gone with a test that passes; no process may be left then. */
export async function demoCourt(
  t: TestContext,
  rooms: readonly DemoRoom[],
  { hubFolder, ...options }: DemoCourtOptions = {},
): Promise<{ court: RunningCourt; home: string }> {
  const home = await mkdtemp(join(tmpdir(), "xz-"));
  if (hubFolder !== undefined) await symlink(hubFolder, join(home, "hub"));
  const log = createLog("court", { file: join(home, "court.log") });
  const court = await RunningCourt.start({ home, clips: join(homeFolder(), "clips"), rooms, log, ...options });
  t.after(async () => {
    await court.close();
    const left = await processesLeft(court.run);
    if (passed(t)) await rm(home, { recursive: true, force: true });
    else t.diagnostic(`its logs are kept in ${home}`);
    assert.deepEqual(left, [], "all processes have ended");
  });
  return { court, home };
}

async function processesLeft(run: string): Promise<string[]> {
  for (const endMs = clock.nowMs() + ENDS_WITHIN_MS; ; await clock.sleep(100)) {
    const left = processesOf(run).map(({ name }) => name);
    if (left.length === 0 || clock.nowMs() > endMs) return left;
  }
}

/** `@types/node` does not know it yet. */
function passed(t: TestContext): boolean {
  return (t as TestContext & { passed: boolean }).passed;
}
