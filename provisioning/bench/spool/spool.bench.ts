/**
 * P12: parcels made durable each second. A hearing's second as a capture worker writes it (25 chunks of 15 000 bytes, SHA-256,
 * journal line) and as the agent's spool commits it (sync of the segments, ledger entries, sync of the ledger), for 16 tracks and
 * for one, as fast as it goes; in turn with fio, which writes blocks of the same size and syncs each (`--fdatasync=1`).
 * With --control each chunk costs 1 ms more.
 */
import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import type { Chunk } from "@xiezhi/media/capture/packager.ts";
import { JournalWriter } from "@xiezhi/media/capture/tracks/journal-writer.ts";
import { type SpoolFiles, spoolFiles } from "@xiezhi/media/capture/tracks/spool-files.ts";
import { TrackWriter } from "@xiezhi/media/capture/tracks/track-writer.ts";
import { VIDEO_TIMESCALE } from "@xiezhi/media/capture/unit.ts";
import { openRoomKey } from "@xiezhi/media/signing.ts";
import { bootId } from "@xiezhi/media/spool/boot.ts";
import { TakeSpool } from "@xiezhi/media/spool/take-spool.ts";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { alone, compared, type Figure, PEER_MISSING, print } from "../figure.ts";
import { foreignLoad, inFolder } from "../machine.ts";
import { control, pairsOr, secondsOr } from "../options.ts";
import { isInstalled } from "../program.ts";

const MANY_TRACKS = 16;
const CHUNKS_A_PARCEL = 25;
const CHUNK_TICKS = VIDEO_TIMESCALE / CHUNKS_A_PARCEL;
const HEAD_BYTES = 100;
/** One second of a camera at 3 Mbit/s. */
const PARCEL_BYTES = 375_000;
const FIO_FILE = "256M";
const pairs = pairsOr({ short: 2, long: 5 });
const seconds = secondsOr({ short: 5, long: 20 });

/** 1 ms more a chunk. */
const slowFiles: SpoolFiles = {
  ...spoolFiles,
  write(...words) {
    for (const endUs = clock.monoUs() + 1_000; clock.monoUs() < endUs; );
    spoolFiles.write(...words);
  },
};

interface Cost {
  parcelsPerS: number;
  cpuUsPerParcel: number;
}

/** The parcels of a second of all tracks at once, then one round of the spool, and so on. */
async function ours(folder: string, tracks: number): Promise<Cost> {
  const takeId = randomUUID();
  const take = join(folder, takeId);
  const numbers = Array.from({ length: tracks }, (_, at) => at + 1);
  const signer = await openRoomKey(join(folder, "key.pem"), "xiezhi/bench/room");
  const log = createLog("bench");
  const spool = await TakeSpool.create({ folder: take, takeId, signer, clock, log, onDurable: () => {} }, takeStart(takeId, numbers));
  const files = control ? slowFiles : spoolFiles;
  const journal = new JournalWriter(files, take, "w0");
  const writers = numbers.map((number) => {
    const track = { id: `cam-${number}`, number, kind: "video" } as const;
    const position = { stretch: 0, segment: 0, sequence: 0 };
    const writer = new TrackWriter({ files, journal, folder: take, track, timescale: VIDEO_TIMESCALE, position });
    const facts = { codec: "avc1.640028", width: 1920, height: 1080, channels: 0, encoderDelayTicks: 0, encodedFrom: "" };
    writer.beginStretch(randomBytes(HEAD_BYTES), facts, { sourceTicks: 0, sourceRate: VIDEO_TIMESCALE, ticks: 0, arrivedUtcUs: 0 });
    return writer;
  });
  await spool.add();
  const parts: Chunk["parts"] = [randomBytes(HEAD_BYTES), randomBytes(PARCEL_BYTES / CHUNKS_A_PARCEL - HEAD_BYTES)];
  const beganUs = clock.monoUs();
  const cpu = process.cpuUsage();
  let chunk = 0;
  for (const endUs = beganUs + seconds * 1e6; clock.monoUs() < endUs; chunk += CHUNKS_A_PARCEL) {
    for (const writer of writers) {
      for (let at = chunk; at < chunk + CHUNKS_A_PARCEL; at++) writer.write(chunkAt(at, parts));
      writer.closeParcel();
    }
    await spool.add();
  }
  const { user, system } = process.cpuUsage(cpu);
  const parcels = (chunk / CHUNKS_A_PARCEL) * tracks;
  const cost = { parcelsPerS: parcels / ((clock.monoUs() - beganUs) / 1e6), cpuUsPerParcel: (user + system) / parcels };
  for (const number of numbers)
    if (spool.durableThroughUs(number) !== (parcels / tracks) * 1e6) throw new Error(`not all of track ${number} is durable`);
  for (const writer of writers) writer.closeSegment();
  journal.close();
  await spool.close();
  return cost;
}

function chunkAt(at: number, parts: Chunk["parts"]): Chunk {
  const place = { ticks: at * CHUNK_TICKS, durationTicks: CHUNK_TICKS, key: at % CHUNKS_A_PARCEL === 0 };
  return { parts, bytes: PARCEL_BYTES / CHUNKS_A_PARCEL, ...place, damaged: false, lostPackets: 0, arrivedUs: 0 };
}

function takeStart(takeId: string, numbers: readonly number[]): Parameters<typeof TakeSpool.create>[1] {
  const tracks = numbers.map((number) => ({ id: `cam-${number}`, number, kind: TrackKind.VIDEO, timescale: VIDEO_TIMESCALE }));
  const made = { digestAlgorithm: "SHA-256", signatureAlgorithm: "Ed25519", formatVersion: "1", tracks };
  const value = { takeId, siteId: "bench", roomId: "room", bootId: bootId(), monoUs: BigInt(clock.monoUs()), ...made };
  return { what: { case: "takeStart", value } };
}

/** Blocks a second. */
async function peer(folder: string): Promise<number> {
  const job = ["--name=peer", `--filename=${join(folder, "fio")}`, "--rw=write", "--ioengine=sync", "--fdatasync=1"];
  const much = [`--bs=${PARCEL_BYTES}`, `--size=${FIO_FILE}`, "--time_based", `--runtime=${seconds}`, "--output-format=json"];
  const { stdout } = await promisify(execFile)("fio", [...job, ...much]);
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { jobs: { write: { iops: number } }[] };
  return jobs[0]?.write.iops ?? Number.NaN;
}

const foreign = await foreignLoad(clock);
const hasPeer = isInstalled("fio");
const runs: { many: Cost; one: Cost; fio: number }[] = [];
for (let pair = 0; pair < pairs; pair++) {
  const [many, one] = [await inFolder((folder) => ours(folder, MANY_TRACKS)), await inFolder((folder) => ours(folder, 1))];
  runs.push({ many, one, fio: hasPeer ? await inFolder(peer) : Number.NaN });
}
const worse = control ? ", control: 1 ms more a chunk" : "";
const note = `${pairs} pairs of ${seconds} s, parcels of ${PARCEL_BYTES} bytes; others used ${Math.round(foreign * 100)} % of the machine before it`;
const against = (which: "many" | "one"): Pick<Figure, "ours" | "peer" | "ratio" | "range"> => {
  const values = runs.map((run) => ({ ours: run[which].parcelsPerS, peer: run.fio }));
  return hasPeer
    ? compared(values)
    : alone(
        values.map((value) => value.ours),
        PEER_MISSING,
      );
};
print({ name: `P12 durable parcels at ${MANY_TRACKS} tracks${worse}`, ...against("many"), unit: "parcels/s", bar: { atLeast: 0.6 }, note });
if (!control) {
  print({ name: "P12 durable parcels at 1 track", ...against("one"), unit: "parcels/s", note });
  const cpuUs = runs.map(({ many, one }) => ({ ours: many.cpuUsPerParcel, peer: one.cpuUsPerParcel }));
  print({
    name: `P12 CPU of a parcel at ${MANY_TRACKS} tracks, beside 1 track`,
    ...compared(cpuUs),
    unit: "µs of a core",
    bar: { atMost: 0.4 },
    note,
  });
}
