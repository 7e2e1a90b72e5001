import { once } from "node:events";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { storedTakeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { cameraId, demoRooms } from "../demo/court.ts";
import { homeFolder } from "../demo/home.ts";
import { processesOf } from "../demo/proc.ts";
import { RunningCourt } from "../demo/running-court.ts";
import { holdOneHearing } from "../headless/hold.ts";
import { judge } from "../headless/judge.ts";
import type { HearingReport } from "../headless/report.ts";

export type HearingFault = "camera-late" | "camera-dead";

const room = demoRooms[0]!;
/** The one that a fault makes late or absent. */
const lastCamera = room.cameras.at(-1)!;
const LATE_MS = 5_000;
/** Exports of earlier hearings that are kept. */
const KEPT = 3;

interface HearingOptions {
  seconds: number;
  faults?: HearingFault;
}

/** Holds one hearing in courtroom 1 by itself, in a home of its own; prints the report. Returns the exit code. */
export async function holdHearing(options: HearingOptions): Promise<number> {
  const interruption = new AbortController();
  // `on`, not `once`: npm repeats a terminal's Ctrl-C, and the second would end this process before what it has started.
  for (const [name, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    process.on(name, () => interruption.abort(exitCode));
  try {
    return await holdUntil(interruption.signal, options);
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    process.exit(interruption.signal.reason as number);
  }
}

async function holdUntil(signal: AbortSignal, options: HearingOptions): Promise<number> {
  const folder = join(homeFolder(), "headless");
  const home = join(folder, String(systemClock.nowMs()));
  await mkdir(join(home, "logs"), { recursive: true, mode: 0o700 });
  await forgetOld(folder);
  const log = createLog("hearing", { file: join(home, "logs", "hearing.log") });
  say("starting a hub and courtroom 1");
  const court = await RunningCourt.start({
    home,
    clips: join(homeFolder(), "clips"),
    rooms: [room],
    log,
    signal,
    ...(options.faults && { absentCamera: lastCamera.clip }),
  });
  try {
    const interrupted = once(signal, "abort").then(() => Promise.reject(new Error("interrupted")));
    return await Promise.race([holdIn(court, home, options), interrupted]);
  } finally {
    await court.close();
  }
}

/** Returns 0 if all of it holds, else 1. */
async function holdIn(court: RunningCourt, home: string, { seconds, faults }: HearingOptions): Promise<number> {
  const link = await court.signIn("clerk");
  const held = await holdOneHearing({
    link,
    clock: systemClock,
    siteId: room.siteId,
    roomId: room.id,
    seconds,
    withoutTracks: faults ? 1 : 0,
    say,
    pressed: () => {
      if (faults === "camera-late") systemClock.after(LATE_MS, () => court.bringAbsentCamera());
    },
    recording: () => systemClock.sleep(seconds * 1e3),
  });
  link.close();
  const { takeInfo, ...facts } = held;
  const processes = processesOf(court.run);
  const exportDir = join(home, "export");
  say(`exporting to ${exportDir}`);
  const stored = join(court.stateFolders.hub, "store", held.take);
  const readingCopy = join(court.stateFolders.hub, "derived", held.take, "reading-copy.m4a");
  const manifest = await exportTake({ from: storedTakeFilesIn(stored), to: exportDir, readingCopy });
  const { ok, entries, checkpoints, problems: found } = verifyExport(exportDir);
  const report: Omit<HearingReport, "ok" | "problems"> = {
    ...facts,
    startedAt: manifest.startedAt,
    seconds: manifest.seconds,
    tracks: manifest.tracks,
    verify: { ok, entries, checkpoints },
    exportDir,
    processes,
  };
  const absentTrack = faults && cameraId(lastCamera).replace("camera-", "cam-");
  const problems = [...judge(report, { seconds, takeInfo, ...(absentTrack ? { absentTrack } : {}) }), ...found.map(({ en }) => en)];
  process.stdout.write(`${JSON.stringify({ ok: problems.length === 0, ...report, problems })}\n`);
  return problems.length === 0 ? 0 : 1;
}

function say(what: string): void {
  process.stderr.write(`${what}\n`);
}

async function forgetOld(folder: string): Promise<void> {
  const names = (await readdir(folder)).sort();
  for (const name of names.slice(0, -KEPT)) await rm(join(folder, name), { recursive: true, force: true });
}
