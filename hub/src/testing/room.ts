import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { helloLine } from "@xiezhi/rpc/call.ts";
import { grpcOnConnections } from "@xiezhi/rpc/grpc.ts";
import type { Door, Implementation } from "@xiezhi/rpc/service.ts";
import type { Court } from "./court.ts";

export interface FakeRoom {
  /** The link is cut; `dial` brings it back. */
  cut(): void;
  dial(): Promise<void>;
}

const open: Door = { authenticate: async () => ({ kind: "program", name: "hub" }), authorize: async () => {} };

/** A room's end of the calls, dialled as ingest splices it: the real transport over a unix socket, services by the test. */
export async function startRoom(
  t: TestContext,
  court: Court,
  room: { site: string; room: string; services: readonly Implementation[] },
): Promise<FakeRoom> {
  const { agents } = court.house.platform;
  const path = join(tmpdir(), `xz-calls-${randomUUID().slice(0, 8)}.sock`);
  await agents.listen(path);
  const servers: { close(): void }[] = [];
  let sockets: Socket[] = [];
  const dialOne = async (alpn: "xiezhi-call" | "xiezhi-live") => {
    const server = grpcOnConnections({ implementations: room.services, door: open });
    servers.push(server);
    const socket = connect(path);
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.on("error", () => {});
    socket.write(helloLine({ alpn, site: room.site, room: room.room, fingerprint: "" }));
    sockets.push(socket);
    server.serve(socket);
  };
  const key = { siteId: room.site, roomId: room.room };
  const fake: FakeRoom = {
    cut() {
      for (const socket of sockets) socket.destroy();
      sockets = [];
    },
    async dial() {
      await dialOne("xiezhi-live");
      await dialOne("xiezhi-call");
      while (!agents.state(key).connected) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  t.after(async () => {
    fake.cut();
    for (const server of servers) server.close();
    await rm(path, { force: true });
  });
  await fake.dial();
  return fake;
}

/** Turns of the event loop until it holds: what crosses a socket needs real ones. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
