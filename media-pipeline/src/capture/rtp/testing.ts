import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For tests: real encoded pictures, made once a machine by GStreamer. 320×180, 25 a second, a key frame every second. */
export function makeClip(options: { seconds: number; bFrames?: number; width?: number }): Buffer[][] {
  const { seconds, bFrames = 0, width = 320 } = options;
  const file = join(tmpdir(), `xiezhi-clip-${seconds}-${bFrames}-${width}.h264`);
  if (!existsSync(file)) {
    const beside = `${file}.${process.pid}`;
    const caps = `video/x-raw,width=${width},height=180,framerate=25/1`;
    const encoder = ["x264enc", "key-int-max=25", `bframes=${bFrames}`, "b-adapt=false", "speed-preset=ultrafast", "aud=true", "threads=1"];
    const stream = "video/x-h264,stream-format=byte-stream,alignment=au,profile=high";
    const pipeline = ["videotestsrc", `num-buffers=${seconds * 25}`, "pattern=ball", "!", caps, "!", ...encoder, "!", stream, "!"];
    execFileSync("gst-launch-1.0", ["-q", ...pipeline, "filesink", `location=${beside}`]);
    renameSync(beside, file);
  }
  return unitsOf(readFileSync(file));
}

/** Access units as NAL units without start codes; each begins with a delimiter. */
function unitsOf(stream: Buffer): Buffer[][] {
  const units: Buffer[][] = [];
  for (const nal of nalsOf(stream)) {
    if (((nal[0] as number) & 31) === 9) units.push([]);
    units.at(-1)?.push(nal);
  }
  return units;
}

function* nalsOf(stream: Buffer): Generator<Buffer> {
  const start = Buffer.from([0, 0, 1]);
  let at = stream.indexOf(start) + 3;
  while (at >= 3) {
    const next = stream.indexOf(start, at);
    const end = next < 0 ? stream.length : next;
    yield stream.subarray(at, stream[end - 1] === 0 && next >= 0 ? end - 1 : end);
    at = next + 3;
    if (next < 0) return;
  }
}

/** A user-data SEI NAL unit (H.264 D.2.6) that carries a frame's number. */
export function numberSei(number: number): Buffer {
  const payload = Buffer.alloc(20, 0x58);
  payload.writeUInt32BE(0x80000000 + number, 16);
  return Buffer.concat([Buffer.from([6, 5, payload.length]), payload, Buffer.from([0x80])]);
}
