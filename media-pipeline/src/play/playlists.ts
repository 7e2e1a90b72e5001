import type { SegmentModel, TakeModel, TrackModel } from "@xiezhi/ledger/model.ts";

/** HLS (RFC 8216) of whole finished segments at stable addresses, made from the ledger alone. */

/** A segment lasts at most 20 s; a playlist that grows must not change its target. */
const TARGET_S = 20;
/** Shorter holes between segments are left to the player. */
const HOLE_S = 0.05;

/**
 * The media playlist of one track: each segment that is there, EXT-X-GAP for one that is not (lost, or not here yet), an
 * EXT-X-MAP and a discontinuity for each stretch. Time without picture or sound is filled with gaps, so a position in the
 * playlist **is** take time, in every track. Event while the take runs: then what is not here at its end is not yet listed.
 * Addresses are relative: `<stretch>.init.mp4`, `<segment>.m4s`.
 */
export function trackPlaylist(model: TakeModel, track: TrackModel, isHere: (segment: number) => boolean): string {
  const seconds = (ticks: number) => ticks / track.timescale;
  const segments = listed(model, track, isHere);
  const longest = segments.reduce((most, { fromTicks, toTicks }) => Math.max(most, seconds(toTicks - fromTicks)), TARGET_S);
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:8",
    `#EXT-X-TARGETDURATION:${Math.round(longest)}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    `#EXT-X-PLAYLIST-TYPE:${model.end ? "VOD" : "EVENT"}`,
    ...start(
      segments.find((segment) => isPlayable(segment, isHere)),
      track,
    ),
  ];
  let atS = 0;
  let stretch: number | undefined;
  for (const segment of segments) {
    const fromS = seconds(segment.fromTicks);
    if (fromS - atS > HOLE_S) lines.push(...gap(atS, fromS));
    if (segment.stretch !== stretch) lines.push(...stretchBegins(segment, stretch === undefined, model.startUtcMs + fromS * 1000));
    stretch = segment.stretch;
    if (!isPlayable(segment, isHere)) lines.push("#EXT-X-GAP");
    lines.push(extinf(seconds(segment.toTicks - segment.fromTicks)), segmentName(segment.segment));
    atS = seconds(segment.toTicks);
  }
  if (model.end) lines.push("#EXT-X-ENDLIST");
  return `${lines.join("\n")}\n`;
}

/**
 * The master playlist: a variant for each picture, each microphone as a rendition of its own. For players that take one
 * address; the Take page gives each track an element of its own.
 */
export function takePlaylist(model: TakeModel): string {
  const tracks = model.tracks.filter(({ stretches }) => stretches.length > 0);
  const sounds = tracks.filter(({ kind }) => kind === "audio");
  const pictures = tracks.filter(({ kind }) => kind === "video");
  const renditions = sounds.map(
    (track, at) =>
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME=${quoted(track.label || track.id)},DEFAULT=${at === 0 ? "YES" : "NO"},AUTOSELECT=YES,URI=${quoted(address(track))}`,
  );
  const variants = (pictures.length > 0 ? pictures : sounds.slice(0, 1)).flatMap((track) => variant(track, sounds));
  return `${["#EXTM3U", "#EXT-X-VERSION:8", "#EXT-X-INDEPENDENT-SEGMENTS", ...renditions, ...variants].join("\n")}\n`;
}

/** While it runs: closed segments up to the last that is here. Ended: all. */
function listed(model: TakeModel, track: TrackModel, isHere: (segment: number) => boolean): SegmentModel[] {
  if (model.end) return track.segments;
  const last = track.segments.findLastIndex((segment) => segment.closed && isHere(segment.segment));
  return track.segments.slice(0, last + 1);
}

/** Where a track begins late: players that are let begin in a gap never leave it (seen with hls.js 1.7.4 in Chromium). */
function start(first: SegmentModel | undefined, track: TrackModel): string[] {
  const fromS = first ? first.fromTicks / track.timescale : 0;
  return fromS > HOLE_S ? [`#EXT-X-START:TIME-OFFSET=${fromS.toFixed(6)},PRECISE=YES`] : [];
}

function isPlayable(segment: SegmentModel, isHere: (segment: number) => boolean): boolean {
  return segment.durationTicks > 0 && isHere(segment.segment);
}

function stretchBegins({ stretch }: SegmentModel, first: boolean, utcMs: number): string[] {
  return [
    ...(first ? [] : ["#EXT-X-DISCONTINUITY"]),
    `#EXT-X-MAP:URI="${stretch}.init.mp4"`,
    `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(utcMs)).toISOString()}`,
  ];
}

/** In pieces no longer than the target. No player asks for their address. */
function gap(fromS: number, toS: number): string[] {
  const pieces = Math.ceil((toS - fromS) / TARGET_S);
  return Array.from({ length: pieces }, () => ["#EXT-X-GAP", extinf((toS - fromS) / pieces), "gap.m4s"]).flat();
}

function extinf(seconds: number): string {
  return `#EXTINF:${seconds.toFixed(6)},`;
}

function variant(track: TrackModel, sounds: readonly TrackModel[]): string[] {
  const codecs = new Set([track, ...sounds].map(({ stretches }) => stretches[0]?.codec ?? ""));
  const { width = 0, height = 0 } = track.stretches[0] ?? {};
  const attributes = [
    `BANDWIDTH=${peakBitsPerSecond(track) + Math.max(0, ...sounds.map(peakBitsPerSecond))}`,
    `CODECS=${quoted([...codecs].join(","))}`,
    ...(width > 0 ? [`RESOLUTION=${width}x${height}`] : []),
    `NAME=${quoted(track.label || track.id)}`,
    ...(sounds.length > 0 ? ['AUDIO="sound"'] : []),
  ];
  return [`#EXT-X-STREAM-INF:${attributes.join(",")}`, address(track)];
}

function peakBitsPerSecond(track: TrackModel): number {
  const rates = track.segments
    .filter(({ durationTicks }) => durationTicks > 0)
    .map(({ bytes, durationTicks }) => Math.ceil((bytes * 8 * track.timescale) / durationTicks));
  return rates.reduce((most, rate) => Math.max(most, rate), 1);
}

function address(track: TrackModel): string {
  return `${track.id}/index.m3u8`;
}

function segmentName(segment: number): string {
  return `${String(segment).padStart(6, "0")}.m4s`;
}

/** A quoted-string of RFC 8216 4.2: labels are people's words and may hold anything. */
function quoted(text: string): string {
  return `"${text.replace(/["\p{Cc}]/gu, "_")}"`;
}
