import { rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";

/** One demo a home: whoever holds this socket runs it. It is gone with the process, however that ends. */
export async function claimHome(home: string): Promise<Server> {
  const path = join(home, "demo.sock");
  if (await answers(path)) throw new Error(`the demo of ${home} runs already; end it with Ctrl-C, or use another home (XIEZHI_HOME)`);
  rmSync(path, { force: true });
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return server.unref();
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
