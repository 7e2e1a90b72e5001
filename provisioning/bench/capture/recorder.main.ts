/**
 * The recorder as an agent runs it: capture workers as programs of their own, and the agent's part of the spool (sync each
 * second, ledger, checkpoints) in this process. `recorder.main.ts FOLDER PRELOAD ADDRESS…`; PRELOAD "" or a module for the workers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { CaptureWorker } from "@xiezhi/media/capture/worker.client.ts";
import type { FromWorker, SourceSpec } from "@xiezhi/media/capture/wire.ts";
import { openRoomKey } from "@xiezhi/media/signing.ts";
import { bootId } from "@xiezhi/media/spool/boot.ts";
import { TakeSpool } from "@xiezhi/media/spool/take-spool.ts";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

/** What the recorder says when everything records, and when it has ended. */
export interface RecorderBegun {
  agentPid: number;
  workerPids: number[];
}
export interface RecorderEnded {
  /** Of pictures and sound without what surrounds them. */
  mediaBytes: number;
  units: number;
  lostPackets: number;
  entries: number;
}

const SOURCES_A_WORKER = 8;
const [folder = "", preload = "", ...urls] = process.argv.slice(2);
const takeId = randomUUID();
const take = join(folder, takeId);
const sources = urls.map((url, camera): SourceSpec => {
  const [picture, sound] = [camera * 2 + 1, camera * 2 + 2];
  return {
    id: `camera-${camera}`,
    url,
    role: "evidence",
    tracks: [
      { id: `cam-${camera}`, number: picture, kind: "video", rtspTrack: 0 },
      { id: `mic-${camera}`, number: sound, kind: "audio", rtspTrack: 0 },
    ],
  };
});

interface Team {
  child: ChildProcess;
  worker: CaptureWorker;
  last: Extract<FromWorker, { kind: "state" }> | undefined;
}

async function startWorker(id: string, ofWorker: SourceSpec[]): Promise<Team> {
  const main = fileURLToPath(import.meta.resolve("@xiezhi/media/capture/worker.main.ts"));
  const socket = join(folder, `${id}.sock`);
  const words = [
    ...(preload === "" ? [] : ["--import", preload]),
    main,
    "--id",
    id,
    "--socket",
    socket,
    "--log",
    join(folder, `${id}.log`),
  ];
  const team: Omit<Team, "worker"> = { child: spawn(process.execPath, words, { stdio: ["ignore", 2, 2] }), last: undefined };
  const onMessage = (message: FromWorker) => {
    if (message.kind === "state") team.last = message;
  };
  const events = { onMessage, onLive: () => {}, onGone: () => {} };
  const worker = await until(() => CaptureWorker.connect(socket, clock, events).catch(() => undefined));
  worker.send({ kind: "configure", sources: ofWorker, codecSocket: join(folder, "codec.sock") });
  worker.send({ kind: "warm", on: true });
  await until(() => team.last?.tracks.every((track) => track.state === "running") ?? false);
  return Object.assign(team, { worker });
}

async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (const endUs = clock.monoUs() + 20e6; clock.monoUs() < endUs; await clock.sleep(20)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error("the recorder does not come about");
}

const teams = await Promise.all(
  Array.from({ length: Math.ceil(sources.length / SOURCES_A_WORKER) }, (_, at) =>
    startWorker(`w${at}`, sources.slice(at * SOURCES_A_WORKER, (at + 1) * SOURCES_A_WORKER)),
  ),
);
const spool = await TakeSpool.create(
  {
    folder: take,
    takeId,
    signer: await openRoomKey(join(folder, "key.pem"), "xiezhi/bench/room"),
    clock,
    log: createLog("bench"),
    onDurable: () => {},
  },
  {
    what: {
      case: "takeStart",
      value: {
        takeId,
        siteId: "bench",
        roomId: "room",
        bootId: bootId(),
        monoUs: BigInt(clock.monoUs()),
        digestAlgorithm: "SHA-256",
        signatureAlgorithm: "Ed25519",
        formatVersion: "1",
        tracks: sources.flatMap(({ tracks }) =>
          tracks.map(({ id, number, kind }) =>
            kind === "video"
              ? { id, number, kind: TrackKind.VIDEO, timescale: 90_000 }
              : { id, number, kind: TrackKind.AUDIO, timescale: 48_000 },
          ),
        ),
      },
    },
  },
);
const t0Us = spool.zeroUs;
for (const { worker } of teams) await worker.ask({ kind: "record", takeId, folder: take, t0Us, expectedFromUs: t0Us });
process.on("disconnect", () => {
  for (const { child } of teams) child.kill("SIGKILL");
  process.exit(1);
});
process.once("message", () => void end());
process.send?.({ agentPid: process.pid, workerPids: teams.map(({ worker }) => worker.hello.pid) } satisfies RecorderBegun);

async function end(): Promise<void> {
  await Promise.all(teams.map(({ worker }) => worker.ask({ kind: "stop" })));
  await spool.close();
  const tracks = teams.flatMap(({ last }) => last?.tracks ?? []);
  const sum = (of: (track: (typeof tracks)[number]) => number) => tracks.reduce((total, track) => total + of(track), 0);
  const ended: RecorderEnded = {
    mediaBytes: sum((track) => track.bytes),
    units: sum((track) => track.units),
    lostPackets: sum((track) => track.lostPackets),
    entries: spool.size,
  };
  for (const { worker } of teams) worker.send({ kind: "end" });
  process.send?.(ended, () => process.exit());
}
