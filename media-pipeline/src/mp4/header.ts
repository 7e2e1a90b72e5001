import { SOUND_TIMESCALE, type SoundFormat, type TrackFormat, VIDEO_TIMESCALE, type VideoFormat } from "../capture/unit.ts";
import { box, fullBox, u16, u32, u64 } from "./boxes.ts";

const TRACK_ID = 1;
const MATRIX = u32(0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000);
const LANGUAGE_UNDETERMINED = 0x55c4;

export function timescaleOf(format: TrackFormat): number {
  return format.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
}

/** The initialisation header of a stretch: ftyp and a moov without samples (ISO/IEC 14496-12 8.8). Depends on the format alone. */
export function initHeader(format: TrackFormat): Buffer {
  const timescale = timescaleOf(format);
  const samples = Buffer.concat([
    sampleDescription(format),
    fullBox("stts", 0, 0, u32(0)),
    fullBox("stsc", 0, 0, u32(0)),
    fullBox("stsz", 0, 0, u32(0, 0)),
    fullBox("stco", 0, 0, u32(0)),
  ]);
  const mvex = box("mvex", fullBox("trex", 0, 0, u32(TRACK_ID, 1, 0, 0, format.kind === "video" ? 0x01010000 : 0x02000000)));
  return Buffer.concat([
    box("ftyp", Buffer.from("iso6"), u32(0), Buffer.from("iso6cmfcmp41")),
    box(
      "moov",
      movieHeader(timescale, 0),
      track({ format, timescale, duration: 0, movieDuration: 0, edits: Buffer.alloc(0), samples }),
      mvex,
    ),
  ]);
}

/** `duration` in ticks of `timescale`. */
export function movieHeader(timescale: number, duration: number): Buffer {
  const next = u32(TRACK_ID + 1);
  return fullBox(
    "mvhd",
    1,
    0,
    u64(0, 0),
    u32(timescale),
    u64(duration),
    u32(0x00010000),
    u16(0x0100, 0),
    u32(0, 0),
    MATRIX,
    Buffer.alloc(24),
    next,
  );
}

export interface TrackParts {
  format: TrackFormat;
  timescale: number;
  /** Of the media and of the movie (edits included), in ticks of `timescale`. */
  duration: number;
  movieDuration: number;
  /** An edts box, or nothing. */
  edits: Buffer;
  /** What stands in stbl. */
  samples: Buffer;
}

export function track({ format, timescale, duration, movieDuration, edits, samples }: TrackParts): Buffer {
  const picture = format.kind === "video" ? { width: format.width, height: format.height } : { width: 0, height: 0 };
  const volume = format.kind === "video" ? 0 : 0x0100;
  const size = u32(picture.width * 65_536, picture.height * 65_536);
  return box(
    "trak",
    fullBox("tkhd", 1, 7, u64(0, 0), u32(TRACK_ID, 0), u64(movieDuration), u32(0, 0), u16(0, 0, volume, 0), MATRIX, size),
    edits,
    box(
      "mdia",
      fullBox("mdhd", 1, 0, u64(0, 0), u32(timescale), u64(duration), u16(LANGUAGE_UNDETERMINED, 0)),
      fullBox("hdlr", 0, 0, u32(0), Buffer.from(format.kind === "video" ? "vide" : "soun"), u32(0, 0, 0), Buffer.from("xiezhi\0")),
      box(
        "minf",
        format.kind === "video" ? fullBox("vmhd", 0, 1, u16(0, 0, 0, 0)) : fullBox("smhd", 0, 0, u16(0, 0)),
        box("dinf", fullBox("dref", 0, 0, u32(1), fullBox("url ", 0, 1))),
        box("stbl", samples),
      ),
    ),
  );
}

export function sampleDescription(format: TrackFormat): Buffer {
  return fullBox("stsd", 0, 0, u32(1), format.kind === "video" ? avc1(format) : mp4a(format));
}

/** ISO/IEC 14496-15 5.4.2. */
function avc1({ width, height, sps, pps }: VideoFormat): Buffer {
  const [profile = 0, constraints = 0, level = 0] = sps[0]?.subarray(1, 4) ?? [];
  const listed = (sets: readonly Buffer[]) => sets.flatMap((set) => [u16(set.length), set]);
  const avcC = box("avcC", [1, profile, constraints, level, 0xff, 0xe0 | sps.length], ...listed(sps), [pps.length], ...listed(pps));
  const resolution = u32(0x00480000, 0x00480000);
  return box(
    "avc1",
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(16),
    u16(width, height),
    resolution,
    u32(0),
    u16(1),
    Buffer.alloc(32),
    u16(0x18, 0xffff),
    avcC,
  );
}

/** ISO/IEC 14496-14 5.6 and 14496-1 7.2.6. */
function mp4a({ channels, sampleRate, config }: SoundFormat): Buffer {
  const specific = descriptor(5, config);
  const decoder = descriptor(4, Buffer.concat([Buffer.from([0x40, 0x15, 0, 0, 0]), u32(0, 0), specific]));
  const stream = descriptor(3, Buffer.concat([u16(TRACK_ID), Buffer.from([0]), decoder, descriptor(6, Buffer.from([2]))]));
  // The field has 16 bits before the point: higher rates stand in the decoder's own configuration alone.
  const rate = sampleRate < 0x10000 ? sampleRate : 0;
  return box("mp4a", Buffer.alloc(6), u16(1), Buffer.alloc(8), u16(channels, 16, 0, 0), u32(rate * 65_536), fullBox("esds", 0, 0, stream));
}

function descriptor(tag: number, content: Buffer): Buffer {
  if (content.length > 127) throw new RangeError("decoder configuration too long");
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
}
