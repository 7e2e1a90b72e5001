import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { homeFolder } from "../demo/home.ts";

/** Prints a new password for a user of this home's hub, once. */
export async function resetUser(login: string): Promise<void> {
  const program = fileURLToPath(new URL("../../../hub/src/user-reset.main.ts", import.meta.url));
  const asked = promisify(execFile)(process.execPath, [program, join(homeFolder(), "hub", "hub.json"), login]);
  const { stdout } = await asked.catch((error: { stdout?: string; stderr?: string }) => {
    if (!error.stdout) throw new Error(error.stderr?.trim() || "the hub of this home can't be asked");
    return { stdout: error.stdout };
  });
  const answer = JSON.parse(stdout) as { ok: true; password: string } | { ok: false; message: string };
  if (!answer.ok) throw new Error(answer.message);
  process.stdout.write(`${login}: ${answer.password}\n`);
}
