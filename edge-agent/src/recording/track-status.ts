import type { Clock } from "@xiezhi/base/clock.ts";
import type { TrackReport } from "@xiezhi/media/capture/wire.ts";
import type { OpenTake } from "./open-take.ts";
import type { RoomTrack, TrackStatus } from "./recording.model.ts";

/** A track as it is proven now: by its worker's last word, and by what is synced of the take. */
export function trackStatus(clock: Clock, track: RoomTrack, report: TrackReport | undefined, take: OpenTake | undefined): TrackStatus {
  const throughUs = take?.spool.durableThroughUs(track.number) ?? 0;
  return {
    track,
    source: report?.state ?? "off",
    sinceMs: report ? clock.nowMs() - (clock.monoUs() - report.sinceUs) / 1e3 : 0,
    reason: report ? report.reason : "the capture process is not running",
    durableThroughMs: take && throughUs > 0 ? take.spool.model.startUtcMs + throughUs / 1e3 : 0,
    expected: take?.spool.model.tracks.some(({ number }) => number === track.number) ?? false,
  };
}
