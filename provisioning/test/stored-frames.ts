import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FrameStamp, readStamp } from "@xiezhi/drivers/sim/frame-stamp.ts";
import { walkChunks } from "@xiezhi/media/mp4/walker.ts";

const LENGTH_BYTES = 4;

/** The running numbers that simulated cameras stamped on their pictures, as they lie in an export's segments, in order. */
export function storedFrames(exportDir: string, track: string): FrameStamp[] {
  return framesIn(join(exportDir, "tracks", track));
}

/** The same of any folder that holds one track's segments. */
export function framesIn(folder: string): FrameStamp[] {
  const segments = readdirSync(folder)
    .filter((name) => name.endsWith(".m4s"))
    .sort();
  return segments.flatMap((name) => {
    const bytes = readFileSync(join(folder, name));
    return [...walkChunks(bytes)].flatMap(({ samples }) =>
      samples.flatMap(({ offset, bytes: length }) => stampsIn(bytes.subarray(offset, offset + length))),
    );
  });
}

function stampsIn(sample: Buffer): FrameStamp[] {
  const found: FrameStamp[] = [];
  for (let at = 0; at + LENGTH_BYTES <= sample.length; ) {
    const length = sample.readUInt32BE(at);
    const stamp = readStamp(sample.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    if (stamp) found.push(stamp);
    at += LENGTH_BYTES + length;
  }
  return found;
}

/** How many numbers between the first and the last are not there. */
export function missingFrames(stamps: readonly FrameStamp[]): number {
  const [first, last] = [stamps[0], stamps.at(-1)];
  return first && last ? last.frame - first.frame + 1 - new Set(stamps.map(({ frame }) => frame)).size : 0;
}
