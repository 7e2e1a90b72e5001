import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { readIfThere } from "@xiezhi/base/files.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { createAuthority, issue, type TlsFiles } from "@xiezhi/enrol/authority.ts";
import { LedgerFile, readEntries } from "@xiezhi/media/ledger-file.ts";
import { type MadeTake, makeTake, simulatedSigner } from "@xiezhi/media/sim/make-take.ts";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { clientOf, openLink } from "@xiezhi/rpc/client.ts";
import { dialledDoor } from "../access/doors.ts";
import type { SpooledTake } from "../recording/recording.model.ts";
import { type TakesSource, Uplink } from "./uplink.part.ts";

const INGEST = join(import.meta.dirname, "../../../hub/src/ingest/ingest.main.ts");
const signer = simulatedSigner();

/** The hub's ingest as a process, behind a link that can be cut. */
class Hub {
  readonly folder: string;
  readonly tls: TlsFiles;
  private process: ChildProcess | undefined;
  private port = 0;
  private readonly sockets = new Set<Socket>();
  private readonly proxy = createServer((near) => this.join(near));
  /** Bytes that the link carries before it is cut once; 0: no such limit. */
  cutAfterBytes = 0;

  private constructor(folder: string, tls: TlsFiles) {
    this.folder = folder;
    this.tls = tls;
  }

  static async start(t: TestContext): Promise<Hub> {
    const folder = await mkdtemp(join(tmpdir(), "up-"));
    const authority = await createAuthority(join(folder, "ca"), clock);
    await issue(authority, { kind: "program", name: "hub", names: ["localhost", "127.0.0.1"] }, join(folder, "hub"), clock);
    const tls = await issue(authority, { kind: "room", siteId: "court-1", roomId: "courtroom-1" }, join(folder, "room"), clock);
    const hub = new Hub(folder, tls);
    await new Promise<void>((resolve) => hub.proxy.listen(0, "127.0.0.1", resolve));
    await hub.run();
    t.after(async () => {
      hub.proxy.close();
      hub.cut();
      await hub.kill();
      await rm(folder, { recursive: true, force: true });
    });
    return hub;
  }

  get running(): ChildProcess | undefined {
    return this.process;
  }

  get proxyPort(): number {
    return (this.proxy.address() as { port: number }).port;
  }

  async run(): Promise<void> {
    const path = (name: string) => join(this.folder, name);
    await rm(path("port"), { force: true });
    const config = {
      host: "127.0.0.1",
      port: this.port,
      portFile: path("port"),
      tlsFolder: path("hub"),
      stateFolder: path("state"),
      storeUrl: pathToFileURL(path("store")).href,
      backupUrl: pathToFileURL(path("backup")).href,
      ingestSocket: path("i"),
      callSocket: path("c"),
      logFile: path("log"),
      reserveBytes: 1,
    };
    await writeFile(path("ingest.json"), JSON.stringify(config));
    this.process = spawn(process.execPath, [INGEST, path("ingest.json")], { stdio: "inherit" });
    await until(async () => {
      this.port = Number((await readIfThere(path("port"))) ?? 0);
      return this.port > 0;
    });
  }

  /** As SIGKILL ends it. */
  async kill(): Promise<void> {
    const { process: child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async progress(takeId: string) {
    const link = openLink({ unixPath: join(this.folder, "i") });
    try {
      for await (const { takes } of clientOf(IngestService, link).watchTakes({})) return takes.find((take) => take.takeId === takeId);
      return undefined;
    } finally {
      link.close();
    }
  }

  private join(near: Socket): void {
    const far = connect(this.port, "127.0.0.1");
    let carried = 0;
    near.on("data", (piece) => {
      carried += piece.length;
      if (this.cutAfterBytes === 0 || carried < this.cutAfterBytes) return;
      this.cutAfterBytes = 0;
      this.cut();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.on("error", () => other.destroy());
      one.once("close", () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** Made takes that grow entry by entry. */
class Spool implements TakesSource {
  readonly all: (SpooledTake & { whole: number })[] = [];
  readonly uploaded: string[] = [];
  private readonly listeners = new Set<(takeId: string) => void>();

  takes(): SpooledTake[] {
    return this.all.filter(({ takeId }) => !this.uploaded.includes(takeId));
  }

  onEntries(listener: (takeId: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async markUploaded(takeId: string): Promise<void> {
    if (!this.uploaded.includes(takeId)) this.uploaded.push(takeId);
  }

  add({ takeId, folder, files }: MadeTake, size?: number): void {
    const whole = [...readEntries(files.ledger)].length;
    this.all.push({ takeId, folder, size: size ?? whole, ended: size === undefined, whole });
    this.tell(takeId);
  }

  grow(takeId: string, entries: number): boolean {
    const take = this.all.find((it) => it.takeId === takeId)!;
    take.size = Math.min(take.size + entries, take.whole);
    take.ended = take.size === take.whole;
    this.tell(takeId);
    return take.ended;
  }

  private tell(takeId: string): void {
    for (const listener of this.listeners) listener(takeId);
  }
}

const made = (hub: Hub, seconds: number): Promise<MadeTake> => {
  const takeId = newId();
  const tracks = [
    { id: "cam-judge", kind: "video" as const, lostParcels: [3] },
    { id: "cam-clerk", kind: "video" as const, gaps: [{ fromS: 4, toS: 6 }] },
    { id: "mic-clerk", kind: "audio" as const },
  ];
  return makeTake(join(hub.folder, "spool", takeId), { tracks, seconds, takeId, signer });
};

function startUplink(t: TestContext, hub: Hub, takes: TakesSource, verifierKey: string, tls = hub.tls): Uplink {
  const uplink = new Uplink({
    clock,
    log: silentLog,
    hub: { host: "localhost", port: hub.proxyPort, tls },
    takes,
    verifierKey,
    door: dialledDoor(silentLog),
  });
  uplink.start([]);
  t.after(() => uplink.stop());
  return uplink;
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 1_600; round++) {
    if (await what()) return;
    await clock.sleep(25);
  }
  assert.fail("it did not come to be");
}

/** Both stores hold exactly what the spool holds. */
async function sameInBothStores(hub: Hub, take: MadeTake): Promise<void> {
  await until(async () => (await readIfThere(join(hub.folder, "state/takes", take.takeId, "complete.json"))) !== undefined);
  for (const copy of ["store", "backup"]) {
    const at = join(hub.folder, copy, take.takeId);
    assert.deepEqual(await readFile(join(at, "ledger")), await readFile(take.files.ledger));
    assert.deepEqual(await readFile(join(at, "checkpoints")), await readFile(take.files.checkpoints));
    for (const track of await readdir(join(take.folder, "tracks")))
      for (const name of await readdir(join(take.folder, "tracks", track)))
        assert.deepEqual(
          await readFile(join(at, track, name)),
          await readFile(join(take.folder, "tracks", track, name)),
          `${copy} ${track}/${name}`,
        );
  }
}

test("a take goes up while it grows, whole, and is not offered again", async (t) => {
  const hub = await Hub.start(t);
  const take = await made(hub, 25);
  const spool = new Spool();
  const uplink = startUplink(t, hub, spool, take.verifierKey);
  await until(() => uplink.status().connected);
  spool.add(take, 3);
  while (!spool.grow(take.takeId, 7)) await clock.sleep(10);
  await until(() => spool.uploaded.includes(take.takeId));
  assert.deepEqual([uplink.status().parcelsBehind, uplink.status().secondsBehind], [0n, 0]);
  await sameInBothStores(hub, take);
});

test("cuts of the link and kill -9 of ingest while a take goes up: nothing lost, nothing doubled", async (t) => {
  const hub = await Hub.start(t);
  const [old, take] = [await made(hub, 60), await made(hub, 40)];
  const spool = new Spool();
  spool.add(old);
  const uplink = startUplink(t, hub, spool, take.verifierKey);
  spool.add(take, 3);
  for (const after of [20_000, 60_000, 100_000]) {
    hub.cutAfterBytes = after;
    await until(() => {
      spool.grow(take.takeId, 2);
      return hub.cutAfterBytes === 0 || spool.takes().length === 0;
    });
    await hub.kill();
    await until(() => !uplink.status().connected);
    spool.grow(take.takeId, 10);
    await hub.run();
    await until(() => uplink.status().connected);
  }
  spool.grow(take.takeId, 1e6);
  await until(() => spool.uploaded.length === 2);
  for (const it of [old, take]) {
    await sameInBothStores(hub, it);
    const parcels = [...readEntries(it.files.ledger)].filter(({ entry }) => entry.what.case === "parcel").length;
    const progress = await hub.progress(it.takeId);
    assert.deepEqual([progress?.parcelsKnown, progress?.parcelsHeld, progress?.parcelsLost], [BigInt(parcels), BigInt(parcels - 1), 1n]);
  }
});

/** Another ledger for the same take, its entry `at` changed, and signed by the room's own key. */
async function rewriteHistory(take: MadeTake, at: number): Promise<void> {
  const entries = [...readEntries(take.files.ledger)].map(({ entry }, index) => (index === at ? { ...entry, utcMs: 1n } : entry));
  await rm(take.files.ledger);
  await rm(take.files.checkpoints);
  const ledger = await LedgerFile.open(take.folder, take.takeId, signer);
  ledger.append(entries);
  await ledger.checkpoint();
  ledger.close();
}

test("the next hub's ingest takes over from the one that a killed hub left running", async (t) => {
  const hub = await Hub.start(t);
  const take = await made(hub, 20);
  const spool = new Spool();
  const uplink = startUplink(t, hub, spool, take.verifierKey);
  spool.add(take, 20);
  await until(async () => (await hub.progress(take.takeId))?.ledgerSize === 20n);
  const left = hub.running;
  await hub.run();
  await until(() => left?.exitCode === 0);
  spool.grow(take.takeId, 1e6);
  await until(() => spool.uploaded.includes(take.takeId));
  assert.equal(uplink.status().connected, true);
  await sameInBothStores(hub, take);
});

test("a take whose history was rewritten is refused and alarmed, and keeps no other from going up", async (t) => {
  const hub = await Hub.start(t);
  const [bad, good] = [await made(hub, 12), await made(hub, 12)];
  const spool = new Spool();
  spool.add(bad, 10);
  const uplink = startUplink(t, hub, spool, good.verifierKey);
  await until(async () => (await hub.progress(bad.takeId))?.ledgerSize === 10n);
  await uplink.stop();
  await rewriteHistory(bad, 8);
  const again = new Spool();
  again.add(bad);
  again.add(good);
  startUplink(t, hub, again, good.verifierKey);
  await until(() => again.uploaded.includes(good.takeId));
  assert.deepEqual(again.uploaded, [good.takeId]);
  assert.match(await readFile(join(hub.folder, "log"), "utf8"), /"alarm":"LEDGER_REFUSED"/);
});

test("a room whose certificate is of another authority, or of no room, is not let in", async (t) => {
  const hub = await Hub.start(t);
  const foreign = await createAuthority(join(hub.folder, "foreign"), clock);
  const stranger = await issue(foreign, { kind: "room", siteId: "court-1", roomId: "courtroom-1" }, join(hub.folder, "stranger"), clock);
  await mkdir(join(hub.folder, "spool"), { recursive: true });
  const take = await made(hub, 3);
  const shows: TlsFiles[] = [
    { ...stranger, ca: hub.tls.ca },
    {
      key: await readFile(join(hub.folder, "hub/key.pem"), "utf8"),
      cert: await readFile(join(hub.folder, "hub/cert.pem"), "utf8"),
      ca: hub.tls.ca,
    },
  ];
  for (const tls of shows) {
    const spool = new Spool();
    spool.add(take);
    const uplink = startUplink(t, hub, spool, take.verifierKey, tls);
    await clock.sleep(400);
    assert.equal(uplink.status().connected, false);
    assert.deepEqual(spool.uploaded, []);
    await uplink.stop();
  }
  assert.equal(await hub.progress(take.takeId), undefined);
});
