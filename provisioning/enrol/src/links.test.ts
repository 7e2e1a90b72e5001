import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { UplinkService } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { clientOf, type Link, openLink } from "@xiezhi/rpc/client.ts";
import { startGrpcServer } from "@xiezhi/rpc/grpc.ts";
import { implement } from "@xiezhi/rpc/service.ts";
import { doorDouble, takeId, takesDouble } from "@xiezhi/rpc/takes.double.ts";
import { createAuthority, issue } from "./authority.ts";

interface FaultyLink {
  /** Bytes from the server after which a new connection is cut. */
  cutAfterBytes: number;
  /** One way, milliseconds. */
  delayMs: number;
  /** Nothing is carried any more, and nobody is told. */
  stall(): void;
  open(options?: { pingMs?: number }): Link;
}

const uplinkDouble = implement(UplinkService, {
  async *sendEntries() {},
  async *sendParcels(requests) {
    for await (const request of requests) yield { takeId: request.takeId, held: [request.what.value ?? 0n] };
  },
});

/** A gRPC server over TLS behind a link with faults. */
async function faultyLink(t: TestContext): Promise<FaultyLink> {
  const folder = await mkdtemp(join(tmpdir(), "links-"));
  const authority = await createAuthority(join(folder, "ca"), clock);
  const tls = await issue(authority, { kind: "server", names: ["localhost"] }, join(folder, "server"), clock);
  const implementations = [takesDouble(), uplinkDouble];
  const server = await startGrpcServer({ implementations, door: doorDouble(), host: "127.0.0.1", port: 0, tls });
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(server.port, "127.0.0.1");
    let left = faulty.cutAfterBytes;
    far.on("data", (piece) => {
      left -= piece.length;
      if (left < 0) near.destroy();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.once("close", () => other.destroy());
      if (faulty.delayMs === 0) one.pipe(other);
      else one.on("data", (piece) => clock.after(faulty.delayMs, () => other.write(piece)));
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as { port: number };
  const links: Link[] = [];
  t.after(async () => {
    for (const link of links) link.close();
    for (const socket of sockets) socket.destroy();
    proxy.close();
    server.close();
    await rm(folder, { recursive: true });
  });
  const faulty: FaultyLink = {
    cutAfterBytes: Number.POSITIVE_INFINITY,
    delayMs: 0,
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    open(options = {}) {
      const link = openLink({ host: "localhost", port, tls: { ca: tls.ca } }, { bearer: "clerk", ...options });
      links.push(link);
      return link;
    },
  };
  return faulty;
}

test("a link that breaks after any byte, or is closed at any moment, fails its calls and nothing else", async (t) => {
  const faulty = await faultyLink(t);
  for (let round = 0; round < 120; round++) {
    faulty.cutAfterBytes = round * 25;
    const link = faulty.open({ pingMs: 5 });
    const closing = round % 3 === 0 ? clock.after(round / 5, () => link.close()) : undefined;
    const call = clientOf(TakesService, link).getTake({ takeId });
    if (faulty.cutAfterBytes < 1000 || closing) await call.catch((error: { code: string }) => assert.equal(error.code, "UNAVAILABLE"));
    else await call.catch(() => {});
    closing?.cancel();
    link.close();
  }
  faulty.cutAfterBytes = Number.POSITIVE_INFINITY;
  assert.equal((await clientOf(TakesService, faulty.open()).getTake({ takeId })).take?.id, takeId);
});

test("a link that falls silent ends its calls as UNAVAILABLE after two pings", async (t) => {
  const faulty = await faultyLink(t);
  const takes = clientOf(TakesService, faulty.open({ pingMs: 100 }));
  const stream = takes.watchTake({ takeId: takeId.replace("0", "2") })[Symbol.asyncIterator]();
  await stream.next();
  await clock.sleep(350);
  faulty.stall();
  const fromUs = clock.monoUs();
  await assert.rejects(stream.next(), { code: "UNAVAILABLE" });
  assert.ok(clock.monoUs() - fromUs < 2e6);
});

test("a link comes back by itself when the next call is made, and says who it is not", async (t) => {
  const faulty = await faultyLink(t);
  faulty.cutAfterBytes = 10;
  const takes = clientOf(TakesService, faulty.open());
  await assert.rejects(takes.getTake({ takeId }), { code: "UNAVAILABLE", reason: "RPC_AWAY" });
  faulty.cutAfterBytes = Number.POSITIVE_INFINITY;
  assert.equal((await takes.getTake({ takeId })).take?.id, takeId);
  const abort = new AbortController();
  const stream = takes.watchTake({ takeId: takeId.replace("0", "2") }, { signal: abort.signal })[Symbol.asyncIterator]();
  await stream.next();
  abort.abort();
  await assert.rejects(stream.next(), { code: "CANCELLED" });
});

test("a room 50 ms away sends faster than it records", async (t) => {
  const faulty = await faultyLink(t);
  faulty.delayMs = 25;
  const uplink = clientOf(UplinkService, faulty.open());
  const data = new Uint8Array(400_000);
  async function* parcels() {
    for (let index = 0n; index < 20n; index++) yield { takeId, what: { case: "parcel" as const, value: index }, data };
  }
  const fromUs = clock.monoUs();
  let held = 0;
  for await (const answer of uplink.sendParcels(parcels())) held += answer.held.length;
  assert.equal(held, 20);
  // With the protocol's own window of 64 KiB these 8 MB take 11 s.
  assert.ok(clock.monoUs() - fromUs < 5e6, `${(clock.monoUs() - fromUs) / 1e6} s`);
});
