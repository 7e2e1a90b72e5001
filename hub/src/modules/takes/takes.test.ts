import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { silentLog } from "@xiezhi/base/log.ts";
import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { makeTake, type SimulatedTake } from "@xiezhi/media/sim/make-take.ts";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { HearingState, HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { ReadingCopyState, TakeSchema, TakeState, TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { startWeb } from "@xiezhi/rpc/web/web.ts";
import { type Court, refused, requestId, startCourt } from "../../testing/court.ts";
import { startIngest } from "../../testing/ingest.ts";
import { until } from "../../testing/room.ts";
import { audits } from "../audits/audits.module.ts";
import { cases } from "../cases/cases.module.ts";
import { hearings } from "../hearings/hearings.module.ts";
import { takes } from "./takes.module.ts";
import { project } from "./takes.projection.ts";

const takeId = "00000000-0000-7000-8000-000000000001";
const hearingId = "00000000-0000-7000-8000-0000000000aa";
const aTake: SimulatedTake = {
  takeId,
  hearingId,
  layout: "store",
  title: "临时开庭",
  seconds: 23,
  tracks: [
    { id: "cam-judge", kind: "video", seatId: "judge", gaps: [{ fromS: 4, toS: 6 }] },
    { id: "mic-judge", kind: "audio", seatId: "judge" },
  ],
  marks: [{ atS: 3, type: "evidence", text: "证据一" }],
  pauses: [{ fromS: 12, toS: 14 }],
};

async function startWithTake(t: TestContext, wanted: SimulatedTake = aTake) {
  const folder = await mkdtemp(join(tmpdir(), "xz-takes-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const made = await makeTake(join(folder, "store", takeId), wanted);
  const ingest = startIngest();
  const module = takes({
    ingest: ingest.client,
    stores: [join(folder, "gone"), join(folder, "store")],
    derivedFolder: join(folder, "derived"),
  });
  const court = await startCourt(t, { modules: [cases, hearings, module, audits] });
  return { court, ingest, made };
}

async function takeWhen(court: Court, holds: (take: Awaited<ReturnType<typeof get>>) => boolean) {
  const clerk = await court.as("clerk", TakesService);
  await until(async () => holds(await get()));
  return get();
  async function get() {
    return (await clerk.getTake({ takeId }).catch(() => undefined))?.take;
  }
}

test("entries become a take, once however often and in whatever pieces they come", async (t) => {
  const { court, ingest, made } = await startWithTake(t);
  const { ledger } = made.files;
  const size = [...readEntries(ledger)].length;
  for (const part of [1, 2, 40, 41, 30, size]) {
    ingest.tell(ledger, { takeId }, part);
    await until(() => ingest.reads.length > 0);
    ingest.kill();
    await court.clock.advanceMs(1_000);
  }
  const take = await takeWhen(court, (found) => found?.state === TakeState.ENDED);
  const expected = create(TakeSchema);
  for (const { entry } of readEntries(ledger)) project(expected, entry);
  assert.deepEqual(take?.marks, expected.marks);
  assert.deepEqual(take?.tracks, expected.tracks);
  assert.deepEqual([take?.tracks[0]?.parcels, take?.tracks[1]?.parcels], [19n, 21n]);
  assert.deepEqual(
    take?.gaps.map(({ track, fromUs, toUs }) => [track, fromUs, toUs]),
    [[1, 4_000_000n, 6_000_000n]],
  );
  assert.deepEqual(
    take?.spans.map(({ type, fromUs, toUs, decidedBy }) => [type, fromUs, toUs, decidedBy]),
    [["paused", 12_000_000n, 14_000_000n, "审判长"]],
  );
  assert.equal(take?.lengthUs, 23_000_000n);
  assert.deepEqual(
    take?.hearings.map(({ hearingId: id, toUs }) => [id, toUs]),
    [[hearingId, 23_000_000n]],
  );
  const { hearing } = await (await court.as("clerk", HearingsService)).getHearing({ hearingId });
  assert.deepEqual([hearing?.state, hearing?.title], [HearingState.HELD, "临时开庭"]);
});

test("while it runs the take is followed: paused, resumed, ended; its clerk is not idle meanwhile", async (t) => {
  const { court, ingest, made } = await startWithTake(t);
  const all = [...readEntries(made.files.ledger)];
  const at = (kind: string, nth = 0) => all.filter(({ entry }) => entry.what.case === kind)[nth]?.index ?? 0;
  const clerk = await court.as("judge", TakesService);
  ingest.tell(made.files.ledger, { takeId, parcelsKnown: 5n, parcelsHeld: 4n }, 6);
  await takeWhen(court, (take) => take?.state === TakeState.RECORDING);
  assert.equal(court.house.platform.sessions.busy("user-1"), true);
  const watch = clerk.watchTake({ takeId })[Symbol.asyncIterator]();
  const first = (await watch.next()).value?.take;
  assert.deepEqual([first?.copies?.parcelsKnown, first?.copies?.parcelsHeld], [5n, 4n]);
  ingest.tell(made.files.ledger, { takeId }, at("interruption") + 1);
  await takeWhen(court, (take) => take?.state === TakeState.PAUSED);
  assert.equal((await watch.next()).value?.take?.state, TakeState.PAUSED);
  ingest.tell(made.files.ledger, { takeId }, at("interruption", 1) + 1);
  await takeWhen(court, (take) => take?.state === TakeState.RECORDING);
  ingest.tell(made.files.ledger, { takeId });
  await takeWhen(court, (take) => take?.state === TakeState.ENDED);
  assert.equal(court.house.platform.sessions.busy("user-1"), false);
  await watch.return?.();
});

test("takes of another court are not found, and are found by hearing and case in one's own", async (t) => {
  const { court, ingest, made } = await startWithTake(t);
  ingest.tell(made.files.ledger, { takeId });
  await takeWhen(court, (take) => take?.state === TakeState.ENDED);
  const clerk = await court.as("clerk", TakesService);
  const found = (await clerk.listTakes({ hearingId })).takes;
  assert.deepEqual(
    found.map(({ id, marks, gaps }) => [id, marks, gaps]),
    [[takeId, [], []]],
  );
  assert.deepEqual((await clerk.listTakes({ hearingId: takeId })).takes, []);
  assert.deepEqual((await clerk.listTakes({ caseId: takeId })).takes, []);
  const stranger = await court.as("clerk-2", TakesService);
  await refused(stranger.getTake({ takeId }), "TAKES_NOT_FOUND");
  await refused(stranger.playTake({ takeId, requestId: requestId() }), "TAKES_NOT_FOUND");
  await refused((await court.as("technician", TakesService)).getTake({ takeId }), "RIGHTS_ROLE_NEEDED");
  assert.deepEqual((await stranger.listTakes({})).takes, []);
});

async function servePortal(t: TestContext, court: Court) {
  const web = await startWeb({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    names: [],
    instance: "test",
    server: "hub",
    portalFolder: court.folder,
    implementations: court.house.rpc,
    door: court.door,
    middleware: court.house.http,
    clock: court.clock,
    log: silentLog,
    refused: () => {},
  });
  t.after(web.close);
  const get = async (path: string, login?: string, headers: Record<string, string> = {}) => {
    const cookie = login === undefined ? {} : { cookie: `xiezhi-test-hub-${web.port}=${await court.token(login)}` };
    const response = await fetch(`http://127.0.0.1:${web.port}${path}`, { headers: { ...cookie, ...headers } });
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  return { web, get };
}

test("playlists and segments are served under the session, one audit row a playback, refused to others", async (t) => {
  const { court, ingest, made } = await startWithTake(t);
  ingest.tell(made.files.ledger, { takeId });
  await takeWhen(court, (take) => take?.state === TakeState.ENDED);
  const { get } = await servePortal(t, court);
  const base = `/media/takes/${takeId}`;
  const playlist = await get(`${base}/cam-judge/index.m3u8`, "judge");
  assert.equal(playlist.status, 200);
  const lines = playlist.bytes.toString().split("\n");
  assert.equal(lines.filter((line) => line.startsWith("#EXT-X-MAP")).length, 3);
  assert.ok(lines.includes("#EXT-X-ENDLIST"));
  assert.match((await get(`${base}/index.m3u8`, "judge")).bytes.toString(), /cam-judge\/index\.m3u8/);
  const segment = await readFile(made.files.segment("cam-judge", 0));
  assert.deepEqual((await get(`${base}/cam-judge/000000.m4s`, "judge")).bytes, segment);
  assert.deepEqual((await get(`${base}/cam-judge/0.init.mp4`, "judge")).bytes, await readFile(made.files.header("cam-judge", 0)));
  const part = await get(`${base}/cam-judge/000000.m4s`, "judge", { range: "bytes=10-19" });
  assert.deepEqual(
    [part.status, part.headers.get("content-range"), part.bytes],
    [206, `bytes 10-19/${segment.length}`, segment.subarray(10, 20)],
  );
  assert.equal((await get(`${base}/cam-judge/000000.m4s`, "judge", { range: `bytes=${segment.length}-` })).status, 416);
  for (const path of ["cam-judge/000099.m4s", "no-track/000000.m4s", "..%2f..%2fhub.db", "cam-judge/../ledger", "reading-copy.m4a"])
    assert.equal((await get(`${base}/${path}`, "judge")).status, 404, path);
  assert.equal((await get(`${base}/cam-judge/000000.m4s`)).status, 401);
  assert.equal((await get(`${base}/cam-judge/000000.m4s`, "technician")).status, 403);
  assert.equal((await get(`${base}/cam-judge/000000.m4s`, "clerk-2")).status, 404);
  const { rows } = await (await court.as("audit", AuditsService)).listAudits({ act: "takes.PlayTake" });
  assert.deepEqual(
    rows.map(({ login, outcome, objectId }) => [login, outcome, objectId]).sort((a, b) => String(a).localeCompare(String(b))),
    [
      ["clerk-2", "TAKES_NOT_FOUND", takeId],
      ["judge", "ok", takeId],
      ["technician", "RIGHTS_ROLE_NEEDED", takeId],
    ],
  );
});

test("a seal closes the segment that it falls into, also while the stored ledger ends before the seal", async (t) => {
  const { court, ingest, made } = await startWithTake(t, { ...aTake, sealedFromS: 18 });
  const ledger = await readFile(made.files.ledger);
  const seal = [...readEntries(made.files.ledger)].find(({ entry }) => entry.what.case === "seal");
  assert.ok(seal);
  const ofTheRoom = `${made.files.ledger}-of-the-room`;
  await writeFile(ofTheRoom, ledger);
  await writeFile(made.files.ledger, ledger.subarray(0, ledger.indexOf(seal.bytes)));
  ingest.tell(ofTheRoom, { takeId }, seal.index + 1);
  await takeWhen(court, (take) => take?.spans.some(({ type }) => type === "sealed") ?? false);
  const { get } = await servePortal(t, court);
  const statusOf = async (name: string) => (await get(`/media/takes/${takeId}/cam-judge/${name}`, "judge")).status;
  assert.deepEqual([await statusOf("000001.m4s"), await statusOf("000002.m4s")], [200, 404]);
});

test("a segment on its way ends when its session does", async (t) => {
  const { court, ingest, made } = await startWithTake(t, { ...aTake, media: hugeMedia() });
  ingest.tell(made.files.ledger, { takeId });
  await takeWhen(court, (take) => take?.state === TakeState.ENDED);
  const { web } = await servePortal(t, court);
  const headers = { cookie: `xiezhi-test-hub-${web.port}=${await court.token("judge")}` };
  const cut = await new Promise<{ received: number; aborted: boolean }>((resolve, reject) => {
    let received = 0;
    const asked = httpRequest(
      { port: web.port, host: "127.0.0.1", path: `/media/takes/${takeId}/cam-judge/000000.m4s`, headers },
      (response) => {
        response.once("data", (piece: Buffer) => {
          received += piece.length;
          response.pause();
          const { sessions, database } = court.house.platform;
          const goOn = async () => {
            const session = sessions.find(await court.token("judge"));
            await database.transaction((tx) => sessions.end(tx, session?.id ?? ""));
            response.on("data", (more: Buffer) => (received += more.length)).resume();
          };
          goOn().catch(reject);
        });
        response.once("close", () => resolve({ received, aborted: !response.complete }));
        response.on("error", () => {});
      },
    );
    asked.once("error", reject).end();
  });
  assert.equal(cut.aborted, true);
});

/** Bigger than what sockets buffer, so that it is still on its way when the session ends. */
function hugeMedia(): NonNullable<SimulatedTake["media"]> {
  return {
    header: () => ({ header: Buffer.from("header"), codec: "avc1.640028", width: 1920, height: 1080, channels: 0 }),
    second: (kind, ticks) => ({ pieces: [Buffer.alloc(2 << 20)], ticks, durationTicks: kind === "video" ? 90_000 : 48_000 }),
  };
}

test("a whole take gets its reading copy by a job; what can't be mixed says so", async (t) => {
  const { court, ingest, made } = await startWithTake(t);
  const whole = { takeId, parcelsKnown: 40n, parcelsHeld: 40n, segmentsFinished: 4n, segmentsTwice: 3n };
  ingest.tell(made.files.ledger, whole);
  const before = await takeWhen(court, (take) => take?.state === TakeState.ENDED);
  assert.equal(before?.readingCopy?.state, ReadingCopyState.UNSPECIFIED);
  ingest.tell(made.files.ledger, { ...whole, segmentsTwice: 4n });
  const after = await takeWhen(court, (take) => (take?.readingCopy?.state ?? 0) >= ReadingCopyState.READY);
  assert.equal(after?.readingCopy?.state, ReadingCopyState.FAILED, "noise in boxes is no sound");
  assert.notEqual(after?.readingCopy?.reason, "");
});
