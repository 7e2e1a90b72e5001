import type { Take } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import type { HearingReport } from "./report.ts";

/** What a track may lack of the whole take at its two ends: one unit of the slowest source, and the last that came before the end. */
const EDGE_SECONDS = 0.25;

/** Everything that keeps a headless hearing from being whole, in words; nothing: it is. */
export function judge(
  report: Omit<HearingReport, "ok" | "problems">,
  { seconds, takeInfo, absentTrack }: { seconds: number; takeInfo: Take; absentTrack?: string },
): string[] {
  const problems: string[] = [];
  if (!report.verify.ok) problems.push("the export does not verify");
  if (report.seconds < seconds) problems.push(`the take has ${report.seconds} s, not ${seconds}`);
  const { copies } = takeInfo;
  if (!copies || copies.parcelsHeld + copies.parcelsLost < copies.parcelsKnown) problems.push("the hub does not hold every parcel");
  if (!takeInfo.hearings.some(({ hearingId }) => hearingId === report.hearing)) problems.push("the take is not linked to its hearing");
  for (const step of report.steps)
    if (!step.ok && step.device !== absentTrack) problems.push(`${step.device} ${step.step}: ${step.reason ?? "failed"}`);
  // Before the press lie what rings still had: pictures since a key frame, sound only since its source was connected.
  const pressedSeconds = Number(takeInfo.marks.find(({ type }) => type === "start")?.atUs ?? 0n) / 1e6;
  for (const track of report.tracks) {
    if (track.id === absentTrack) {
      if (track.gaps === 0) problems.push(`${track.id} was away and its gap is not declared`);
      continue;
    }
    if (track.gaps > 0) problems.push(`${track.id} has ${track.gaps} gaps`);
    if (track.files.length !== 1) problems.push(`${track.id} has ${track.files.length} stretches`);
    const [file] = track.files;
    const lacks = report.seconds - (file?.seconds ?? 0) - (file?.startSeconds ?? 0);
    if (!file || file.startSeconds > pressedSeconds + EDGE_SECONDS || lacks > EDGE_SECONDS)
      problems.push(`${track.id} does not cover the take: ${JSON.stringify(file)} of ${report.seconds} s`);
  }
  return problems;
}
