import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { homeFolder } from "../demo/home.ts";

/** Clears all state but the demo's clips, which cost a minute to make; asks first, and refuses where nobody can answer. */
export async function resetHome(): Promise<void> {
  const home = homeFolder();
  if (!process.stdin.isTTY) throw new Error("--reset asks before it clears recordings, and nobody is there to answer");
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question(`All recordings, users and keys in ${home} will be gone. Type "reset" to clear them: `);
  asking.close();
  if (answer.trim() !== "reset") throw new Error("nothing was cleared");
  for (const name of ["hub", "agents", "authority", "devices", "logs", "headless", "ports.json", "logins.txt"])
    await rm(join(home, name), { recursive: true, force: true });
}
