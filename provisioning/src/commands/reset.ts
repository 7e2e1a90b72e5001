import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { homeFolder } from "../demo/home.ts";
import { claimHome, RUN_FILE } from "../demo/running.ts";
import { Refusal } from "../failure.ts";

/** All that the demo and headless hearings make in a home. What else lies there is somebody's own. */
export const STATE = ["hub", "agents", "authority", "devices", "logs", "headless", "ports.json", "logins.json", "pins.json", RUN_FILE];

/** Clears all state but the demo's clips, which cost a minute to make; asks first, and refuses where nobody can answer. */
export async function resetHome(): Promise<void> {
  const home = homeFolder();
  if (!process.stdin.isTTY) throw new Refusal("--reset asks before it clears recordings, and nobody is there to answer");
  await mkdir(home, { recursive: true, mode: 0o700 });
  const claim = await claimHome(home);
  if (!(await confirmed(home))) throw new Refusal("nothing was cleared");
  for (const name of STATE) await rm(join(home, name), { recursive: true, force: true });
  claim.close();
}

async function confirmed(home: string): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`All recordings, users and keys in ${home} will be gone. Type "reset" to clear them: `);
    return answer.trim() === "reset";
  } catch {
    process.stderr.write("\n");
    return false; // Ctrl-C or Ctrl-D instead of an answer
  } finally {
    asking.close();
  }
}
