/** What a stream consists of, as its description says (RFC 8866) and as a client needs it. */
export interface RtspTrackInfo {
  /** Position among all media of the description, also those that are not listed. */
  index: number;
  kind: "video" | "audio";
  /** Upper case: H264, H265, MPEG4-GENERIC, PCMA, PCMU, L16, OPUS ... */
  encoding: string;
  /** RTP ticks a second. */
  clockRate: number;
  channels: number;
  payloadType: number;
  /** Format parameters, names in lower case. Has no prototype: any name may come from outside. */
  fmtp: Record<string, string>;
  /** Where SETUP goes, as the device wrote it; may be relative, absolute, "*" or empty. */
  control: string;
}

export interface StreamDescription {
  /** The control attribute of the whole session, or empty. */
  control: string;
  tracks: RtspTrackInfo[];
}

/** Descriptions have a few kilobytes; what is behind this is not looked at. */
const TEXT_MAX_CHARS = 64 * 1024;
const MEDIA_MAX = 64;
const CLOCK_RATE_MAX = 1_000_000;
const CHANNELS_MAX = 64;

/** Payload types whose meaning needs no rtpmap (RFC 3551 clause 6). */
const STATIC_TYPES: Record<number, string> = {
  0: "PCMU/8000",
  8: "PCMA/8000",
  9: "G722/8000",
  10: "L16/44100/2",
  11: "L16/44100/1",
  14: "MPA/90000",
  26: "JPEG/90000",
  33: "MP2T/90000",
};

interface Media {
  line: string;
  attributes: [name: string, value: string][];
}

/** Reads what it understands and leaves out the rest; a description without a usable track has none, and is no error. */
export function parseSdp(text: string): StreamDescription {
  const session: Media = { line: "", attributes: [] };
  const media: Media[] = [];
  for (const line of text.slice(0, TEXT_MAX_CHARS).split(/\r\n|\n|\r/)) {
    const value = line.slice(2).trim();
    if (line.startsWith("m=") && media.length === MEDIA_MAX) break;
    if (line.startsWith("m=")) media.push({ line: value, attributes: [] });
    else if (line.startsWith("a=")) (media.at(-1) ?? session).attributes.push(attribute(value));
  }
  return { control: valueOf(session, "control") ?? "", tracks: media.map(trackFrom).filter((track) => track !== undefined) };
}

function attribute(text: string): [string, string] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text.toLowerCase(), ""] : [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()];
}

function valueOf(media: Media, name: string): string | undefined {
  return media.attributes.find(([key]) => key === name)?.[1];
}

/** The rest of an attribute that begins with the payload type it is about. */
function valueAbout(media: Media, name: string, payloadType: number): string | undefined {
  const values = media.attributes.filter(([key]) => key === name).map(([, value]) => /^(\d{1,3})\s+(.*)$/.exec(value));
  return values.find((match) => Number(match?.[1]) === payloadType)?.[2];
}

function trackFrom(media: Media, index: number): RtspTrackInfo | undefined {
  const [kind, , , format = ""] = media.line.split(/\s+/);
  // "sendonly" is a device's loudspeaker (ONVIF back channel): it plays, and has nothing to be received.
  if ((kind !== "video" && kind !== "audio") || !/^\d{1,3}$/.test(format) || valueOf(media, "sendonly") !== undefined) return undefined;
  const payloadType = Number(format);
  const mapped = valueAbout(media, "rtpmap", payloadType) ?? STATIC_TYPES[payloadType];
  const map = /^([\w.-]{1,64})\/(\d{1,7})(?:\/(\d{1,3}))?\s*$/.exec(mapped ?? "");
  if (!map || payloadType > 127) return undefined;
  const clockRate = Number(map[2]);
  const channels = kind === "audio" ? Number(map[3] ?? 1) : 1;
  if (clockRate < 1 || clockRate > CLOCK_RATE_MAX || channels < 1 || channels > CHANNELS_MAX) return undefined;
  const fmtp = parseFmtp(valueAbout(media, "fmtp", payloadType) ?? "");
  const encoding = (map[1] ?? "").toUpperCase();
  return { index, kind, encoding, clockRate, channels, payloadType, fmtp, control: valueOf(media, "control") ?? "" };
}

function parseFmtp(text: string): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0) parameters[part.slice(0, equals).trim().toLowerCase()] = part.slice(equals + 1).trim();
  }
  return parameters;
}

/** Parameter sets of H.264 (RFC 6184 clause 8.1) or H.265 (RFC 7798 clause 7.1) as NAL units without start code, in decoding order. */
export function parameterSets(fmtp: Readonly<Record<string, string>>): Buffer[] {
  const names = ["sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets"];
  const coded = names.flatMap((name) => (fmtp[name] ?? "").split(","));
  return coded.map((text) => Buffer.from(text, "base64")).filter((nal) => nal.length > 1);
}

/** AudioSpecificConfig of an MPEG4-GENERIC track (RFC 3640 clause 4.1), or nothing where it is missing or no hex. */
export function audioSpecificConfig(fmtp: Readonly<Record<string, string>>): Buffer | undefined {
  const hex = fmtp["config"]?.replace(/^"(.*)"$/, "$1") ?? "";
  return hex.length >= 4 && /^(?:[0-9a-f]{2})+$/i.test(hex) ? Buffer.from(hex, "hex") : undefined;
}

/** A track as a server describes it; `fmtp` without the payload type. */
export interface ServedTrack {
  kind: "video" | "audio";
  encoding: string;
  /** RTP ticks a second. */
  clockRate: number;
  channels: number;
  payloadType: number;
  fmtp: string;
}

/** Tracks get the control attribute `trackID=` and their position. */
export function writeSdp(tracks: readonly ServedTrack[]): string {
  const session = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=stream", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*", "a=range:npt=now-"];
  const media = tracks.flatMap((track, index) => [
    `m=${track.kind} 0 RTP/AVP ${track.payloadType}`,
    `a=rtpmap:${track.payloadType} ${track.encoding}/${track.clockRate}${track.channels > 1 ? `/${track.channels}` : ""}`,
    ...(track.fmtp ? [`a=fmtp:${track.payloadType} ${track.fmtp}`] : []),
    `a=control:trackID=${index}`,
  ]);
  return [...session, ...media, ""].join("\r\n");
}
