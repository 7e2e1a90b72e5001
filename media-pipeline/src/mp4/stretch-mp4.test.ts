import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeClip } from "../capture/rtp/testing.ts";
import type { SoundFormat, VideoFormat } from "../capture/unit.ts";
import { ChunkHeads } from "./chunk-head.ts";
import { initHeader } from "./header.ts";
import { writeStretchMp4 } from "./stretch-mp4.ts";

const folder = mkdtempSync(join(tmpdir(), "xiezhi-mp4-"));
after(() => rmSync(folder, { recursive: true }));
const heads = new ChunkHeads();
const typeOf = (nal: Buffer) => (nal[0] as number) & 31;

interface Stored {
  ticks: number;
  durationTicks: number;
  key: boolean;
  compositionOffset?: number;
  data: Buffer;
}

function segment(name: string, chunks: readonly Stored[]): string {
  const file = join(folder, name);
  const bytes = chunks.flatMap(({ ticks, durationTicks, key, compositionOffset = 0, data }) => [
    heads.write({ sequence: 1, ticks, key, compositionOffset, samples: [{ bytes: data.length, durationTicks }] }),
    data,
  ]);
  writeFileSync(file, Buffer.concat(bytes));
  return file;
}

function header(name: string, format: VideoFormat | SoundFormat): string {
  const file = join(folder, name);
  writeFileSync(file, initHeader(format));
  return file;
}

function pictures(clip: readonly (readonly Buffer[])[], at: (index: number) => number): { format: VideoFormat; chunks: Stored[] } {
  const of = (type: number) => clip[0]!.filter((nal) => typeOf(nal) === type);
  const format: VideoFormat = { kind: "video", codec: "avc1", width: 320, height: 180, sps: of(7), pps: of(8), sourceRate: 90_000 };
  const chunks = clip.map((nals, index) => {
    const kept = nals.filter((nal) => typeOf(nal) !== 7 && typeOf(nal) !== 8);
    const data = Buffer.concat(
      kept.flatMap((nal) => [Buffer.from([nal.length >> 24, nal.length >> 16, nal.length >> 8, nal.length]), nal]),
    );
    return { ticks: at(index), durationTicks: 3600, key: kept.some((nal) => typeOf(nal) === 5), data };
  });
  return { format, chunks };
}

interface Probed {
  streams: { width?: number; height?: number; start_time: string; nb_frames: string; duration: string }[];
  packets: { pts_time: string; flags: string }[];
}

function probe(file: string): Probed {
  return JSON.parse(
    execFileSync("ffprobe", ["-v", "error", "-of", "json", "-show_streams", "-show_packets", file], { encoding: "utf8" }),
  ) as Probed;
}

function decode(file: string): void {
  const said = execFileSync("ffmpeg", ["-v", "warning", "-xerror", "-i", file, "-fps_mode", "passthrough", "-f", "null", "-"], {
    encoding: "utf8",
  });
  assert.equal(said, "");
}

test("a stretch becomes an ordinary file at its take time, also over a gap", async () => {
  const clip = makeClip({ seconds: 3 });
  // Begins 5 s into the take; from 6 s to 8 s nothing was received.
  const at = (index: number) => 450_000 + index * 3600 + (index >= 25 ? 180_000 : 0);
  const { format, chunks } = pictures(clip, at);
  const segments = [segment("0.m4s", chunks.slice(0, 50)), segment("1.m4s", chunks.slice(50))];
  const to = join(folder, "picture.mp4");
  const written = await writeStretchMp4({ header: header("v.init.mp4", format), segments, to });
  assert.deepEqual(written, { startTicks: 450_000, endTicks: 450_000 + 75 * 3600 + 180_000, samples: 75 });
  decode(to);
  const { streams, packets } = probe(to);
  assert.deepEqual([streams[0]?.width, streams[0]?.height, streams[0]?.nb_frames], [320, 180, "75"]);
  assert.deepEqual(
    packets.map(({ pts_time }) => Math.round(Number(pts_time) * 90_000)),
    chunks.map(({ ticks }) => ticks),
  );
  assert.equal(packets.filter(({ flags }) => flags.startsWith("K")).length, 3);
});

test("pictures that are shown in another order come out in it", async () => {
  const clip = makeClip({ seconds: 2, bFrames: 1 });
  const { format, chunks } = pictures(clip, (index) => index * 3600);
  // I P B P B ...: each second of 25 begins with a key frame; P is shown one later than it is decoded, B one earlier.
  const reordered = chunks.map((chunk, index) => {
    const place = index % 25;
    return { ...chunk, compositionOffset: place === 0 ? 0 : place % 2 === 1 ? 3600 : -3600 };
  });
  const to = join(folder, "reordered.mp4");
  await writeStretchMp4({ header: header("b.init.mp4", format), segments: [segment("b.m4s", reordered)], to });
  decode(to);
  const times = probe(to).packets.map(({ pts_time }) => Math.round(Number(pts_time) * 25));
  assert.deepEqual(
    times.slice(0, 5).map((time) => time - times[0]!),
    [0, 2, 1, 4, 3],
  );
});

test("sound keeps its place; lost parcels are passed over; nothing makes no file", async () => {
  const aac = execFileSync("gst-launch-1.0", [
    ..."-q audiotestsrc num-buffers=100 samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=1 ! avenc_aac ! aacparse".split(" "),
    ..."! audio/mpeg,stream-format=adts ! fdsink fd=1".split(" "),
  ]);
  const frames: Buffer[] = [];
  for (let at = 0; at < aac.length; ) {
    const length = ((aac[at + 3]! & 3) << 11) | (aac[at + 4]! << 3) | (aac[at + 5]! >> 5);
    frames.push(aac.subarray(at + 7, at + length));
    at += length;
  }
  const config = Buffer.from("1188", "hex");
  const format: SoundFormat = {
    kind: "audio",
    codec: "mp4a.40.2",
    sampleRate: 48_000,
    channels: 1,
    config,
    frameSamples: 1024,
    sourceRate: 48_000,
  };
  const chunks = frames.map((data, index) => ({ ticks: 96_000 + index * 1024, durationTicks: 1024, key: true, data }));
  const free = Buffer.alloc(100);
  free.writeUInt32BE(100, 0);
  free.write("free", 4);
  const first = segment("s0.m4s", chunks.slice(0, 40));
  const rest = segment("s1.m4s", chunks.slice(60));
  writeFileSync(first, free, { flag: "a" });
  const to = join(folder, "sound.mp4");
  const head = header("s.init.mp4", format);
  const written = await writeStretchMp4({ header: head, segments: [first, rest], to });
  assert.equal(written?.samples, frames.length - 20);
  decode(to);
  const { streams, packets } = probe(to);
  assert.equal(Number(streams[0]?.start_time), 2);
  assert.equal(Math.round(Number(packets[40]?.pts_time) * 48_000), 96_000 + 60 * 1024);
  const none = join(folder, "none.mp4");
  assert.equal(await writeStretchMp4({ header: head, segments: [segment("e.m4s", [])], to: none }), undefined);
  assert.ok(!existsSync(none));
  await assert.rejects(writeStretchMp4({ header: first, segments: [rest], to: none }), RangeError);
});
