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

const LATE_MS = 5_000;
/** Exports of earlier hearings that are kept. */
const KEPT = 3;

/** Holds one hearing in courtroom 1 by itself, in a home of its own; prints the report. Returns the exit code. */
export async function holdHearing({ seconds, faults }: { seconds: number; faults?: HearingFault }): Promise<number> {
  const say = (what: string) => void process.stderr.write(`${what}\n`);
  const [room] = demoRooms;
  const absent = faults === undefined ? undefined : room?.cameras.at(-1);
  const folder = join(homeFolder(), "headless");
  const home = join(folder, String(systemClock.nowMs()));
  await mkdir(join(home, "logs"), { recursive: true, mode: 0o700 });
  await forgetOld(folder);
  const log = createLog("hearing", { file: join(home, "logs", "hearing.log") });
  say("starting a hub and courtroom 1");
  if (!room) throw new Error("the demo has no room");
  const court = await RunningCourt.start({
    home,
    clips: join(homeFolder(), "clips"),
    rooms: [room],
    log,
    ...(absent ? { absentCamera: absent.clip } : {}),
  });
  process.once("SIGINT", () => void court.close().then(() => process.exit(130)));
  process.once("SIGTERM", () => void court.close().then(() => process.exit(143)));
  try {
    const link = await court.signIn("clerk");
    const held = await holdOneHearing({
      link,
      clock: systemClock,
      siteId: room.siteId,
      roomId: room.id,
      seconds,
      withoutTracks: absent ? 1 : 0,
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
    const absentTrack = absent && cameraId(absent).replace("camera-", "cam-");
    const problems = [...judge(report, { seconds, takeInfo, ...(absentTrack ? { absentTrack } : {}) }), ...found.map(({ en }) => en)];
    process.stdout.write(`${JSON.stringify({ ok: problems.length === 0, ...report, problems })}\n`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await court.close();
  }
}

async function forgetOld(folder: string): Promise<void> {
  const names = (await readdir(folder)).sort();
  for (const name of names.slice(0, -KEPT)) await rm(join(folder, name), { recursive: true, force: true });
}
