import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ClipIndex } from "@xiezhi/drivers/sim/clips.ts";
import { gstLaunch } from "./gst.ts";
import type { CameraPlan } from "./plan.ts";
import { drawScene, type Scene } from "./scene.ts";
import { writeClip } from "./write.ts";

export interface PictureForm {
  name: string;
  width: number;
  height: number;
  kbitPerSecond: number;
}

const framesPerSecond = 25;

/** Draws a scene once and encodes it in each form: H.264 High, no B-frames, closed GOPs of `gopFrames`, an AUD before each unit. */
export async function makePictures(
  folder: string,
  recipe: string,
  plan: CameraPlan,
  loopFrames: number,
  gopFrames: number,
  forms: [PictureForm, ...PictureForm[]],
  drawn: (frame: number) => void,
): Promise<void> {
  const [{ width, height }] = forms;
  const { luma, lumaWidth } = await drawTitle(plan.title, width);
  const scene = drawScene(plan, loopFrames, width, height, luma, lumaWidth);
  const raw = (form: PictureForm) => join(folder, `${form.name}.encoding`);
  const branches = forms.flatMap((form) => encoder(form, gopFrames, raw(form)));
  const source = [
    "fdsrc",
    "fd=0",
    `blocksize=${(width * height * 3) / 2}`,
    "!",
    "rawvideoparse",
    "format=i420",
    `width=${width}`,
    `height=${height}`,
  ];
  try {
    await gstLaunch([...source, `framerate=${framesPerSecond}/1`, "!", "tee", "name=scene", ...branches], draw(scene, loopFrames, drawn));
    for (const form of forms) {
      const { bytes, index } = indexH264(await readFile(raw(form)), form);
      if (index.frames.length !== loopFrames) throw new Error(`${form.name}: ${index.frames.length} frames encoded of ${loopFrames}`);
      await writeClip(folder, form.name, "h264", { ...index, recipe }, bytes);
    }
  } finally {
    for (const form of forms) await rm(raw(form), { force: true });
  }
}

function* draw(scene: Scene, loopFrames: number, drawn: (frame: number) => void): Generator<Buffer> {
  for (let index = 0; index < loopFrames; index++) {
    yield Buffer.from(scene.draw(index));
    drawn(index + 1);
  }
}

function encoder(form: PictureForm, gopFrames: number, file: string): string[] {
  const size = `video/x-raw,width=${form.width},height=${form.height}`;
  const rate = ["speed-preset=superfast", `bitrate=${form.kbitPerSecond}`, "vbv-buf-capacity=1000"];
  const structure = [`key-int-max=${gopFrames}`, "bframes=0", "aud=true", "option-string=scenecut=0"];
  const stream = "video/x-h264,profile=high,stream-format=byte-stream,alignment=au";
  const encode = ["x264enc", ...rate, ...structure, "!", stream];
  return ["scene.", "!", "queue", "!", "videoscale", "!", size, "!", ...encode, "!", "filesink", `location=${file}`];
}

/** The name as white on black, 8-bit luma. Rendered by GStreamer because Chinese needs a font. */
async function drawTitle(title: string, width: number): Promise<{ luma: Buffer; lumaWidth: number }> {
  const lumaWidth = Math.round((width * 0.9) / 8) * 8;
  const rows = Math.round(width / 160) * 8;
  const caps = `video/x-raw,format=GRAY8,width=${lumaWidth},height=${rows}`;
  const text = ["textoverlay", `text=${title}`, "halignment=left", "valignment=center", "xpad=0", "shaded-background=false"];
  const font = `font-desc=Noto Sans CJK SC ${Math.round(rows * 0.5)}px`;
  const source = ["videotestsrc", "pattern=black", "num-buffers=1", "!", `video/x-raw,format=I420,width=${lumaWidth},height=${rows}`];
  const luma = await gstLaunch([...source, "!", ...text, "auto-resize=false", font, "!", "videoconvert", "!", caps, "!", "fdsink", "fd=1"]);
  return { luma: luma.subarray(0, lumaWidth * rows), lumaWidth };
}

/** ITU-T H.264 table 7-1. */
const nalType = { slice: 1, key: 5, sei: 6, sps: 7, pps: 8, delimiter: 9 } as const;

/** Finds the units of an Annex B stream and drops the encoder's own SEI: what a simulated camera says there is its own. */
function indexH264(stream: Buffer, form: PictureForm): { bytes: Buffer; index: Omit<ClipIndex, "bytes" | "recipe"> } {
  const kept: Buffer[] = [];
  const frames: ClipIndex["frames"] = [];
  const sets = new Map<number, Buffer>();
  let offset = 0;
  for (const nal of nalUnits(stream)) {
    const type = (nal[0] ?? 0) & 0x1f;
    if (type === nalType.sei) continue;
    if (type === nalType.delimiter) frames.push({ key: false, parts: [] });
    const frame = frames.at(-1);
    if (!frame) throw new Error(`${form.name}: the encoder put no delimiter before the first unit`);
    if (type === nalType.key) frame.key = true;
    if (type === nalType.sps || type === nalType.pps) sets.set(type, nal);
    frame.parts.push([offset + startCode.length, nal.length]);
    kept.push(startCode, nal);
    offset += startCode.length + nal.length;
  }
  const facts = { kind: "video", encoding: "H264", clockRate: 90_000, channels: 1, frameTicks: 90_000 / framesPerSecond } as const;
  const { width, height } = form;
  return {
    bytes: Buffer.concat(kept),
    index: { ...facts, width, height, fmtp: h264Parameters(sets.get(nalType.sps), sets.get(nalType.pps)), frames },
  };
}

/** RFC 6184 8.1: profile-level-id is the SPS's second to fourth byte. */
function h264Parameters(sps: Buffer | undefined, pps: Buffer | undefined): string {
  if (!sps || !pps) throw new Error("the encoder gave no parameter sets");
  const sets = [sps, pps].map((set) => set.toString("base64")).join(",");
  return `packetization-mode=1;profile-level-id=${sps.subarray(1, 4).toString("hex").toUpperCase()};sprop-parameter-sets=${sets}`;
}

const startCode = Buffer.from([0, 0, 0, 1]);
const shortStartCode = startCode.subarray(1);

function* nalUnits(stream: Buffer): Generator<Buffer> {
  let from = stream.indexOf(shortStartCode);
  while (from >= 0) {
    const begin = from + shortStartCode.length;
    from = stream.indexOf(shortStartCode, begin);
    let end = from < 0 ? stream.length : from;
    while (stream[end - 1] === 0) end--; // the four-byte start code's first byte, or trailing zeros (Annex B)
    yield stream.subarray(begin, end);
  }
}
