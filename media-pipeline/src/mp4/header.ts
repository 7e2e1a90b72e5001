import { SOUND_TIMESCALE, type SoundFormat, type TrackFormat, VIDEO_TIMESCALE, type VideoFormat } from "../capture/unit.ts";
import { box, fullBox, u16, u32 } from "./boxes.ts";
import { movie, TRACK_ID } from "./movie.ts";

export function timescaleOf(format: TrackFormat): number {
  return format.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
}

/** The initialisation header of a stretch: ftyp and a moov without samples (ISO/IEC 14496-12 8.8). Depends on the format alone. */
export function initHeader(format: TrackFormat): Buffer {
  const samples = Buffer.concat([
    fullBox("stsd", 0, 0, u32(1), format.kind === "video" ? avc1(format) : mp4a(format)),
    fullBox("stts", 0, 0, u32(0)),
    fullBox("stsc", 0, 0, u32(0)),
    fullBox("stsz", 0, 0, u32(0, 0)),
    fullBox("stco", 0, 0, u32(0)),
  ]);
  const extension = box("mvex", fullBox("trex", 0, 0, u32(TRACK_ID, 1, 0, 0, format.kind === "video" ? 0x01010000 : 0x02000000)));
  const size = format.kind === "video" ? { width: format.width, height: format.height } : { width: 0, height: 0 };
  return Buffer.concat([
    box("ftyp", Buffer.from("iso6"), u32(0), Buffer.from("iso6cmfcmp41")),
    movie({ kind: format.kind, ...size, timescale: timescaleOf(format), durationTicks: 0, movieTicks: 0, samples, extension }),
  ]);
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
