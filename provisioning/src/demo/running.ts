import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { Refusal } from "../failure.ts";
import { endRun } from "./proc.ts";

/** In the home: the id of the run that was started last. */
export const RUN_FILE = "run";
const GRACE_MS = 8_000;

/**
 * One demo a home: whoever holds this socket runs it. It is gone with the process, however that ends. A demo that was killed had no
 * time to end what it had started, which would still hold ports, database and locks: that is ended here.
 */
export async function claimHome(home: string): Promise<Server> {
  // An abstract name (unix(7)): no file that would stay behind, no path that could be too long.
  const name = `\0xiezhi-demo-${createHash("sha256")
    .update(await realpath(home))
    .digest("hex")}`;
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      reject(taken ? new Refusal(`the demo of ${home} runs already; end it with Ctrl-C, or use another home (XIEZHI_HOME)`) : error);
    });
    server.listen(name, resolve);
  });
  const former = await readIfThere(join(home, RUN_FILE));
  if (former !== undefined) await endRun(former, systemClock, GRACE_MS);
  return server.unref();
}

/** So that the next demo of this home can end what this one may leave. */
export function rememberRun(home: string, run: string): Promise<void> {
  return writeDurably(join(home, RUN_FILE), run);
}
