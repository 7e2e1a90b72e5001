/**
 * The codec worker: encodes and meters sound with GStreamer for the capture workers of a room, so that GStreamer's death
 * costs nothing recorded. `--socket <path>`: where it listens. One that is started later takes the path over; this one then
 * serves whom it has and ends. It also ends when nobody needs it any more and its parent is gone.
 */
import { rmSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock } from "@xiezhi/base/clock.ts";

const CHECK_MS = 500;

// Read when the first thread is needed, which is after this: each pipeline holds one.
process.env["UV_THREADPOOL_SIZE"] = "64";
const { CodecServer } = await import("./codec-server.ts");

const { values } = parseArgs({ options: { socket: { type: "string" } } });
if (values.socket === undefined) throw new Error("--socket is missing");
const path = values.socket;

const server = new CodecServer();
rmSync(path, { force: true });
await server.listen(path);
const own = statSync(path).ino;
const parent = process.ppid;

function pathIsOurs(): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === own;
}

function end(): void {
  if (pathIsOurs()) rmSync(path, { force: true });
  server.drop();
  // Threads that wait in GStreamer keep the process; nothing is lost with them.
  systemClock.after(200, () => process.kill(process.pid, "SIGKILL"));
}

const check = systemClock.every(CHECK_MS, () => {
  if (server.clients > 0 || (pathIsOurs() && process.ppid === parent)) return;
  check.cancel();
  end();
});
process.on("SIGTERM", end);
process.on("SIGHUP", () => {});
// Ctrl-C reaches the whole terminal; the parent says when it is time.
process.on("SIGINT", () => {});
