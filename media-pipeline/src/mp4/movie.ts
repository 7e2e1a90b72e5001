import { box, fullBox, u16, u32, u64 } from "./boxes.ts";

/** Each file holds one track. */
export const TRACK_ID = 1;
const MATRIX = u32(0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000);
const LANGUAGE_UNDETERMINED = 0x55c4;

export interface MovieParts {
  kind: "video" | "audio";
  /** Pixels; 0 for sound. */
  width: number;
  height: number;
  /** Ticks a second of all that follows. */
  timescale: number;
  /** Of the media, and of the movie with its edits. */
  durationTicks: number;
  movieTicks: number;
  /** What stands in stbl. */
  samples: Buffer;
  /** An edts box. */
  edits?: Buffer;
  /** An mvex box. */
  extension?: Buffer;
}

/** A moov box with one track (ISO/IEC 14496-12 8.2.1). */
export function movie(parts: MovieParts): Buffer {
  const { timescale, movieTicks } = parts;
  const rateAndVolume = [u32(0x00010000), u16(0x0100, 0), u32(0, 0)];
  const head = fullBox(
    "mvhd",
    1,
    0,
    u64(0, 0),
    u32(timescale),
    u64(movieTicks),
    ...rateAndVolume,
    MATRIX,
    Buffer.alloc(24),
    u32(TRACK_ID + 1),
  );
  return box("moov", head, track(parts), parts.extension ?? []);
}

function track({ kind, width, height, timescale, durationTicks, movieTicks, samples, edits }: MovieParts): Buffer {
  const volume = kind === "video" ? 0 : 0x0100;
  const size = u32(width * 65_536, height * 65_536);
  return box(
    "trak",
    fullBox("tkhd", 1, 7, u64(0, 0), u32(TRACK_ID, 0), u64(movieTicks), u32(0, 0), u16(0, 0, volume, 0), MATRIX, size),
    edits ?? [],
    box(
      "mdia",
      fullBox("mdhd", 1, 0, u64(0, 0), u32(timescale), u64(durationTicks), u16(LANGUAGE_UNDETERMINED, 0)),
      fullBox("hdlr", 0, 0, u32(0), Buffer.from(kind === "video" ? "vide" : "soun"), u32(0, 0, 0), Buffer.from("xiezhi\0")),
      box(
        "minf",
        kind === "video" ? fullBox("vmhd", 0, 1, u16(0, 0, 0, 0)) : fullBox("smhd", 0, 0, u16(0, 0)),
        box("dinf", fullBox("dref", 0, 0, u32(1), fullBox("url ", 0, 1))),
        box("stbl", samples),
      ),
    ),
  );
}
