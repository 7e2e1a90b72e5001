import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";

const WAIT_MS = 10_000;

/**
 * One process at a time owns the files. A hub that was killed leaves its ingest running, which goes on taking uploads; the next
 * hub's ingest asks it to end, by connecting here, and waits until it has. The kernel closes the socket whatever happens.
 */
export async function takeOver(socketPath: string, clock: Clock, onAsked: () => void): Promise<{ close(): void }> {
  await Promise.race([
    otherEnds(socketPath),
    clock.sleep(WAIT_MS).then(() => {
      throw new Error(`another ingest holds ${socketPath} and does not end`);
    }),
  ]);
  rmSync(socketPath, { force: true });
  const server = createServer((socket) => {
    socket.on("error", () => {});
    onAsked();
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(socketPath, resolve));
  server.unref();
  return { close: () => server.close() };
}

function otherEnds(socketPath: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.on("error", () => resolve());
    socket.once("close", () => resolve());
    socket.resume();
  });
}
