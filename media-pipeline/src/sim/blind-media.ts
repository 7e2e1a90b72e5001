import { createHash } from "node:crypto";
import { SOUND_TIMESCALE, type TrackFormat, VIDEO_TIMESCALE } from "../capture/unit.ts";
import { ChunkHeads } from "../mp4/chunk-head.ts";
import { initHeader } from "../mp4/header.ts";

/** Where a simulated take gets its bytes from. */
export interface SimulatedMedia {
  header(kind: "video" | "audio", track: number): { header: Buffer; codec: string; width: number; height: number; channels: number };
  /** Chunks of one second, the first a key frame, with decode times from about `fromTicks` on: exactly from `ticks`. */
  second(kind: "video" | "audio", fromTicks: number, track: number): { pieces: Buffer[]; ticks: number; durationTicks: number };
}

const CHUNKS_A_SECOND = 5;
const SAMPLE_BYTES = 592;

/** What `header` says of a format. */
export function headerOf(format: TrackFormat): ReturnType<SimulatedMedia["header"]> {
  const { codec } = format;
  const size =
    format.kind === "video"
      ? { width: format.width, height: format.height, channels: 0 }
      : { width: 0, height: 0, channels: format.channels };
  return { header: initHeader(format), codec, ...size };
}

/** Right boxes with noise in them: for whoever stores, sends, hashes or cuts, not for a decoder. The same for the same seed. */
export function blindMedia(seed: string): SimulatedMedia {
  const heads = new ChunkHeads();
  return {
    header: (kind, track) => headerOf(kind === "video" ? blindPicture(track) : blindSound),
    second: (kind, fromTicks, track) => {
      const timescale = kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
      const durationTicks = timescale / CHUNKS_A_SECOND;
      const pieces = Array.from({ length: CHUNKS_A_SECOND }, (_, at) => {
        const ticks = fromTicks + at * durationTicks;
        const key = kind === "audio" || at === 0;
        const head = heads.write({ sequence: at + 1, ticks, key, compositionOffset: 0, samples: [{ bytes: SAMPLE_BYTES, durationTicks }] });
        return [head, noise(`${seed} ${track} ${ticks}`)];
      });
      return { pieces: pieces.flat(), ticks: fromTicks, durationTicks: timescale };
    },
  };
}

/** Another parameter set for each track, so that headers differ. */
function blindPicture(track: number): TrackFormat {
  const sps = [Buffer.from([0x67, 0x64, 0x00, 0x28, track])];
  return {
    kind: "video",
    codec: "avc1.640028",
    width: 1920,
    height: 1080,
    sps,
    pps: [Buffer.from([0x68, 0xee])],
    sourceRate: VIDEO_TIMESCALE,
  };
}

const blindSound: TrackFormat = {
  kind: "audio",
  codec: "mp4a.40.2",
  sampleRate: SOUND_TIMESCALE,
  channels: 1,
  config: Buffer.from([0x11, 0x88]),
  frameSamples: 1024,
  sourceRate: SOUND_TIMESCALE,
};

function noise(seed: string): Buffer {
  return createHash("shake256", { outputLength: SAMPLE_BYTES }).update(seed).digest();
}
