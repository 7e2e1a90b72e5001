import type { StretchModel, TakeModel, TrackModel } from "@xiezhi/ledger/model.ts";

/** `manifest.json` of an export: what a person or program reads first. Not signed: nothing is proven by it. */
export interface Manifest {
  format: "xiezhi-export/1";
  takeId: string;
  siteId: string;
  roomId: string;
  hearingId: string;
  caseReferences: string[];
  title: string;
  /** UTC of tick 0, RFC 3339. */
  startedAt: string;
  seconds: number;
  entries: number;
  tracks: ExportedTrack[];
  /** Files made from the segments for people: never evidence. */
  derived: { file: string; bytes: number; sha256: string }[];
}

/** A track as the headless hearing prints it. */
export interface ExportedTrack {
  id: string;
  kind: "video" | "audio";
  seat?: string;
  codec: string;
  parcels: number;
  bytes: number;
  /** Of picture or sound, gaps and pauses not counted. */
  seconds: number;
  gaps: number;
  files: ExportedFile[];
}

/** One stretch as an ordinary MP4. */
export interface ExportedFile {
  file: string;
  /** Take time at which it begins. */
  startSeconds: number;
  seconds: number;
  width?: number;
  height?: number;
}

export const MANIFEST = "manifest.json";

/** What the ledger knows of a manifest: all but what was derived. */
export function manifestFacts(model: TakeModel): Omit<Manifest, "derived"> {
  const { start } = model;
  return {
    format: "xiezhi-export/1",
    takeId: start?.takeId ?? "",
    siteId: start?.siteId ?? "",
    roomId: start?.roomId ?? "",
    hearingId: start?.hearingId ?? "",
    caseReferences: start?.caseReferences ?? [],
    title: start?.title ?? "",
    startedAt: new Date(model.startUtcMs).toISOString(),
    seconds: model.lengthUs / 1e6,
    entries: model.size,
    tracks: model.tracks.map(exportedTrack),
  };
}

/** Where the MP4 of a stretch lies in an export. */
export function stretchFile(trackId: string, stretch: number): string {
  return `mp4/${trackId}-${stretch}.mp4`;
}

function exportedTrack(track: TrackModel): ExportedTrack {
  return {
    id: track.id,
    kind: track.kind,
    ...(track.seatId === "" ? {} : { seat: track.seatId }),
    codec: track.stretches[0]?.codec ?? "",
    parcels: track.parcels,
    bytes: track.bytes,
    seconds: seconds(track.durationTicks, track),
    gaps: track.gaps.length,
    files: track.stretches.flatMap((stretch) => exportedFile(track, stretch)),
  };
}

/** Nothing for a stretch that has a header and no parcel. */
function exportedFile(track: TrackModel, { stretch, width, height }: StretchModel): ExportedFile[] {
  const segments = track.segments.filter((segment) => segment.stretch === stretch && segment.durationTicks > 0);
  const [first, last] = [segments[0], segments.at(-1)];
  if (!first || !last) return [];
  return [
    {
      file: stretchFile(track.id, stretch),
      startSeconds: seconds(first.fromTicks, track),
      seconds: seconds(last.toTicks - first.fromTicks, track),
      ...(track.kind === "video" ? { width, height } : {}),
    },
  ];
}

function seconds(ticks: number, track: TrackModel): number {
  return Math.round((ticks / track.timescale) * 1e6) / 1e6;
}
