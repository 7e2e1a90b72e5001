import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { type Clock, SimulatedClock, systemClock as clock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { createAuthority, issue, type TlsFiles } from "@xiezhi/enrol/authority.ts";
import { makeTake, simulatedSigner } from "@xiezhi/media/sim/make-take.ts";
import { Store } from "@xiezhi/media/store/store.ts";
import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { UplinkService } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { type AcceptedCall, acceptCalls, CallDialer } from "@xiezhi/rpc/call.ts";
import { clientOf, openLink } from "@xiezhi/rpc/client.ts";
import { grpcOnConnections } from "@xiezhi/rpc/grpc.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import type { Door } from "@xiezhi/rpc/service.ts";
import { takeId, takesDouble } from "@xiezhi/rpc/takes.double.ts";
import { startAgentPort } from "./agent-port.ts";
import { ingestImplementation } from "./ingest.rpc.ts";
import { Refusals } from "./refusals.ts";
import { programsDoor } from "./rooms.door.ts";
import { uplinkImplementation } from "./uplink.rpc.ts";

interface Port {
  folder: string;
  port: number;
  room: TlsFiles;
  store: Store;
}

async function startPort(t: TestContext): Promise<Port> {
  const folder = await mkdtemp(join(tmpdir(), "port-"));
  const authority = await createAuthority(join(folder, "ca"), clock);
  const tls = await issue(authority, { kind: "program", name: "hub", names: ["localhost"] }, join(folder, "hub"), clock);
  const room = await issue(authority, { kind: "room", siteId: "court-1", roomId: "courtroom-1" }, join(folder, "room"), clock);
  const folders = { stateFolder: join(folder, "state"), storeFolder: join(folder, "store"), backupFolder: join(folder, "backup") };
  const store = await Store.open({ clock, log: silentLog, ...folders, reserveBytes: 1 });
  const door = programsDoor(silentLog);
  const refusals = new Refusals(clock, silentLog);
  const uplink = grpcOnConnections({
    implementations: [uplinkImplementation(store, refusals, silentLog)],
    door,
    maxMessageBytes: 20 << 20,
  });
  const agents = await startAgentPort({ host: "127.0.0.1", port: 0, tls, callSocket: join(folder, "c"), uplink, log: silentLog });
  t.after(async () => {
    uplink.close();
    await agents.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  return { folder, port: agents.port, room, store };
}

async function until(what: () => boolean): Promise<void> {
  for (let round = 0; round < 400; round++) {
    if (what()) return;
    await clock.sleep(25);
  }
  assert.fail("it did not come to be");
}

const openToHub: Door = { authenticate: async () => ({ kind: "program", name: "hub" }), authorize: async () => {} };

function startDialer(t: TestContext, { port, room }: Port, time: Clock = clock): CallDialer {
  const hub = { host: "localhost", port, tls: room };
  const dialer = new CallDialer({
    clock: time,
    log: silentLog,
    hub,
    protocol: "xiezhi-call",
    implementations: [takesDouble()],
    door: openToHub,
  });
  t.after(() => dialer.stop());
  dialer.start();
  return dialer;
}

test("the hub calls a room over the connection that the room dialled, and again after main was gone", async (t) => {
  const port = await startPort(t);
  const calls: AcceptedCall[] = [];
  const listen = () => acceptCalls(join(port.folder, "c"), (call) => calls.push(call));
  let main = await listen();
  startDialer(t, port);
  for (let times = 1; times <= 2; times++) {
    await until(() => calls.length === times);
    const { alpn, site, room, fingerprint, link, closed } = calls.at(-1)!;
    assert.deepEqual({ alpn, site, room }, { alpn: "xiezhi-call", site: "court-1", room: "courtroom-1" });
    assert.match(fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const takes = clientOf(TakesService, link);
    assert.equal((await takes.getTake({ takeId })).take?.title, "take of 王五");
    const stream = takes.watchTake({ takeId: takeId.replace("0", "2") })[Symbol.asyncIterator]();
    await stream.next();
    await main.close();
    await assert.rejects(stream.next(), { code: "UNAVAILABLE" });
    await until(() => closed.aborted);
    await assert.rejects(takes.getTake({ takeId }), { code: "UNAVAILABLE" });
    if (times === 1) main = await listen();
  }
});

test("a room whose connection the hub lets go dials anew", async (t) => {
  const port = await startPort(t);
  const calls: AcceptedCall[] = [];
  const main = await acceptCalls(join(port.folder, "c"), (call) => calls.push(call));
  t.after(() => main.close());
  const dialer = startDialer(t, port);
  await until(() => calls.length === 1 && dialer.connected);
  calls[0]!.link.close();
  await until(() => calls.length === 2 && dialer.connected);
  assert.equal((await clientOf(TakesService, calls[1]!.link).getTake({ takeId })).take?.id, takeId);
});

test("a hub that says nothing for 4 s is given up and dialled again", async (t) => {
  const port = await startPort(t);
  const silent: Socket[] = [];
  const main = createServer((socket) => silent.push(socket.resume()));
  await new Promise<void>((resolve) => main.listen(join(port.folder, "c"), resolve));
  const time = new SimulatedClock();
  const dialer = startDialer(t, port, time);
  t.after(() => {
    for (const socket of silent) socket.destroy();
    main.close();
  });
  await until(() => silent.length === 1 && dialer.connected);
  await time.advanceMs(3_900);
  assert.equal(dialer.connected, true);
  await time.advanceMs(200);
  await until(() => !dialer.connected);
  await time.advanceMs(1_000);
  await until(() => silent.length === 2);
});

test("garbage at the agent port, before and after TLS, harms nobody; memory stays flat", async (t) => {
  const { port, room, store } = await startPort(t);
  const before = process.memoryUsage().rss;
  for (const alpn of ["h2", "xiezhi-call", "nonsense"])
    for (const size of [1, 1 << 10, 4 << 20]) await throwAt(port, room, alpn, Buffer.alloc(size, size));
  const link = openLink({ host: "localhost", port, tls: room });
  t.after(() => link.close());
  const uplink = clientOf(UplinkService, link);
  const parcel = (bytes: number) => ({ takeId, what: { case: "parcel" as const, value: 1n }, data: new Uint8Array(bytes) });
  const sending = async (request: ReturnType<typeof parcel>) => {
    for await (const { refused } of uplink.sendParcels(once(request))) return refused[0]?.reason;
    return "nothing";
  };
  assert.equal(await sending(parcel(100)), "INGEST_NOT_OPEN");
  await assert.rejects(sending(parcel(17 << 20)), { code: "INVALID_ARGUMENT", reason: "RPC_INVALID_FIELD" });
  await assert.rejects(sending(parcel(100 << 20)), { code: "RESOURCE_EXHAUSTED" });
  assert.deepEqual(store.progress(), []);
  assert.ok(process.memoryUsage().rss - before < 500e6, "three messages of 100 MiB at most in this process, none kept");
});

async function* once<T>(item: T): AsyncGenerator<T> {
  yield item;
}

function throwAt(port: number, tls: TlsFiles, alpn: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "localhost", port, ...tls, ALPNProtocols: [alpn] }, () => socket.end(bytes));
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => resolve());
  });
}

test("main hears of takes as they are, then of each change, and reads entries from any index", async (t) => {
  const { folder, store } = await startPort(t);
  const signer = simulatedSigner();
  const made = await makeTake(join(folder, "take"), { tracks: [{ id: "cam-judge", kind: "video" }], seconds: 8, signer });
  const leaves = [...readEntries(made.files.ledger)].map(({ bytes }) => bytes);
  const ingest = clientOf(
    IngestService,
    memoryLink([ingestImplementation(store, new Refusals(clock, silentLog), clock)], programsDoor(silentLog), { local: true }),
  );
  const changes = ingest.watchTakes({})[Symbol.asyncIterator]();
  assert.deepEqual((await changes.next()).value?.takes, []);
  const take = await store.take(made.takeId, { siteId: "court-1", roomId: "courtroom-1" }, made.verifierKey);
  await store.append(take, 0, leaves, []);
  const [progress] = (await changes.next()).value?.takes ?? [];
  assert.deepEqual([progress?.takeId, progress?.roomId, progress?.ledgerSize], [made.takeId, "courtroom-1", BigInt(leaves.length)]);
  const read: Uint8Array[] = [];
  for await (const { first, entries } of ingest.readEntries({ takeId: made.takeId, from: 3n })) {
    assert.equal(first, BigInt(3 + read.length));
    read.push(...entries);
  }
  assert.deepEqual(
    read.map((leaf) => Buffer.from(leaf)),
    leaves.slice(3).map((leaf) => Buffer.from(leaf)),
  );
  await assert.rejects(
    async () => {
      for await (const _ of ingest.readEntries({ takeId, from: 0n }));
    },
    { reason: "STORE_UNKNOWN_TAKE" },
  );
  const stranger = clientOf(
    IngestService,
    memoryLink([ingestImplementation(store, new Refusals(clock, silentLog), clock)], programsDoor(silentLog)),
  );
  await assert.rejects(
    async () => {
      for await (const _ of stranger.watchTakes({}));
    },
    { reason: "RPC_PROGRAMS_ONLY" },
  );
  await changes.return?.();
});
