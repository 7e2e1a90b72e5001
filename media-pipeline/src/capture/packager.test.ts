import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packetizeAac, packetizeH264 } from "@xiezhi/rtsp/packetize.ts";
import type { RtpSource } from "@xiezhi/rtsp/rtp.ts";
import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import { walkChunks } from "../mp4/walker.ts";
import { type Chunk, Packager, type StretchHeader } from "./packager.ts";
import { Receiver } from "./rtp/receiver.ts";
import { makeClip } from "./rtp/testing.ts";
import type { AccessUnit, SoundFormat, VideoFormat } from "./unit.ts";

const T0_US = 5e9;

function packaged(options: { floorTicks?: number } = {}): {
  packager: Packager;
  chunks: Chunk[];
  headers: StretchHeader[];
  bytes: () => Buffer;
} {
  const chunks: Chunk[] = [];
  const headers: StretchHeader[] = [];
  const packager = new Packager({
    t0Us: T0_US,
    ...options,
    onStretch: (header) => headers.push(header),
    onChunk: (chunk) => chunks.push(chunk),
  });
  const bytes = () => Buffer.concat([headers[0]?.bytes ?? Buffer.alloc(0), ...chunks.flatMap(({ parts }) => parts)]);
  return { packager, chunks, headers, bytes };
}

/** ffmpeg decodes all of it and has nothing to say. */
function decode(file: string): string {
  return execFileSync("ffmpeg", ["-v", "warning", "-xerror", "-i", file, "-f", "null", "-"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function probe(file: string): {
  streams: Record<string, string | number>[];
  packets: { pts: number; dts: number; duration: number; flags: string }[];
} {
  return JSON.parse(execFileSync("ffprobe", ["-v", "error", "-of", "json", "-show_streams", "-show_packets", file], { encoding: "utf8" }));
}

function inFolder(use: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "xiezhi-packager-"));
  try {
    use(join(folder, "track.mp4"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function videoInfo(): RtspTrackInfo {
  return { index: 0, kind: "video", encoding: "H264", clockRate: 90_000, channels: 1, payloadType: 96, fmtp: {}, control: "" };
}

/** Sends a clip through receiver and packager, one picture each 40 ms, `order` giving when each is shown. */
function recordClip(clip: Buffer[][], shown: (index: number) => number = (index) => index) {
  const result = packaged();
  const receiver = new Receiver({
    tracks: [{ number: 1, info: videoInfo() }],
    onUnit: (_number, unit) => result.packager.push(unit),
    onSound: () => assert.fail("pictures are no samples"),
  });
  const source: RtpSource = { payloadType: 96, ssrc: 7, sequence: 65_530 };
  // Time stamps run over their end in the middle of the clip.
  for (const [index, nals] of clip.entries())
    for (const packet of packetizeH264(nals, 0x1_0000_0000 - 90_000 + shown(index) * 3600, source))
      receiver.rtp({ track: 0, packet, arrivedUs: T0_US + 200_000 + index * 40_000 });
  result.packager.flush();
  return result;
}

test("a camera's pictures become a file that plays, frame by frame at take time", () => {
  const clip = makeClip({ seconds: 3 });
  const { chunks, headers, bytes } = recordClip(clip);
  assert.equal(chunks.length, 75);
  assert.equal(headers.length, 1);
  assert.equal(chunks[0]?.ticks, 18_000);
  for (const [index, chunk] of chunks.entries()) {
    assert.equal(chunk.durationTicks, 3600);
    assert.equal(chunk.ticks, 18_000 + index * 3600);
    assert.equal(chunk.parts[0].length, 112);
  }
  inFolder((file) => {
    writeFileSync(file, bytes());
    assert.equal(decode(file), "");
    const { streams, packets } = probe(file);
    assert.deepEqual([streams[0]?.["width"], streams[0]?.["height"], streams[0]?.["time_base"]], [320, 180, "1/90000"]);
    assert.equal(packets.length, 75);
    assert.deepEqual(
      packets.map(({ pts }) => pts),
      chunks.map(({ ticks }) => ticks),
    );
  });
});

test("pictures that are shown in another order keep it, and decoding times rise", () => {
  const clip = makeClip({ seconds: 3, bFrames: 2 });
  // Two B pictures before each P: shown 0 3 1 2 6 4 5 ... within each second of 25.
  const shownIn = (index: number) => {
    const [second, at] = [Math.floor(index / 25), index % 25];
    const group = Math.ceil(at / 3);
    return second * 25 + (at === 0 ? 0 : at % 3 === 1 ? Math.min(group * 3, 24) : at - 1);
  };
  const { chunks, bytes } = recordClip(clip, shownIn);
  assert.equal(chunks.length, 75);
  for (const [index, chunk] of chunks.entries())
    if (index > 0) assert.equal(chunk.ticks, chunks[index - 1]!.ticks + chunks[index - 1]!.durationTicks);
  inFolder((file) => {
    writeFileSync(file, bytes());
    assert.equal(decode(file), "");
    // ffprobe moves all by the largest negative offset; their order and distance are what counts.
    const times = probe(file).packets.map(({ pts }) => pts);
    const sorted = times.toSorted((a, b) => a - b);
    const expected = chunks.map((_, index) => shownIn(index));
    assert.deepEqual(
      times.map((time) => Math.round((time - sorted[0]!) / 3600)),
      expected,
    );
  });
});

test("the walker finds each chunk again, and stops at a torn tail", () => {
  const { chunks, headers, bytes } = recordClip(makeClip({ seconds: 1 }));
  const header = headers[0]!.bytes.length;
  const all = bytes();
  const found = [...walkChunks(all, header)];
  assert.deepEqual(
    found.map(({ ticks, durationTicks, key, bytes: length }) => [ticks, durationTicks, key, length]),
    chunks.map(({ ticks, durationTicks, key, bytes: length }) => [ticks, durationTicks, key, length]),
  );
  const last = found.at(-1)!;
  for (const cut of [1, 8, 60, last.bytes - 1])
    assert.equal([...walkChunks(all.subarray(0, last.offset + cut), header)].length, found.length - 1);
  const torn = Buffer.concat([all, Buffer.alloc(500)]);
  assert.equal([...walkChunks(torn, header)].length, found.length);
});

const SOUND: SoundFormat = {
  kind: "audio",
  codec: "mp4a.40.2",
  sampleRate: 48_000,
  channels: 1,
  config: Buffer.from("1188", "hex"),
  frameSamples: 1024,
  sourceRate: 48_000,
};
const PICTURE: VideoFormat = {
  kind: "video",
  codec: "avc1.640028",
  width: 64,
  height: 64,
  sps: [Buffer.from("67640028ac", "hex")],
  pps: [Buffer.from("68ee", "hex")],
  sourceRate: 90_000,
};

function unit(atMs: number, facts: Partial<AccessUnit> = {}): AccessUnit {
  const timeUs = T0_US + atMs * 1e3;
  const base = {
    format: PICTURE,
    sourceTicks: atMs * 90,
    arrivedUs: timeUs,
    key: false,
    damaged: false,
    lostPackets: 0,
    discontinuity: false,
  };
  return { ...base, timeUs, data: Buffer.alloc(8), ...facts };
}

test("before a hole a unit has its usual length, and one that nothing follows is let go after 100 ms", () => {
  const { packager, chunks } = packaged();
  packager.push(unit(0, { key: true }));
  packager.push(unit(40));
  packager.push(unit(80));
  packager.push(unit(200, { lostPackets: 3 }));
  assert.deepEqual(
    chunks.map(({ ticks, durationTicks }) => [ticks, durationTicks]),
    [
      [0, 3600],
      [3600, 3600],
      [7200, 3600],
    ],
  );
  packager.poll(T0_US + 299_000);
  assert.equal(chunks.length, 3);
  packager.poll(T0_US + 300_000);
  assert.deepEqual([chunks[3]?.ticks, chunks[3]?.durationTicks, chunks[3]?.lostPackets], [18_000, 3600, 3]);
  packager.push(unit(500));
  packager.flush();
  assert.equal(chunks[4]?.ticks, 45_000);
});

test("a stretch begins with a key frame: of another format, after a jump, after a pause", () => {
  const { packager, headers, chunks } = packaged();
  packager.push(unit(0));
  packager.push(unit(40, { key: true }));
  packager.push(unit(80, { discontinuity: true }));
  packager.push(unit(120));
  packager.push(unit(160, { key: true }));
  packager.restart();
  packager.push(unit(900));
  packager.push(unit(940, { key: true }));
  packager.push(unit(980, { key: true, format: { ...PICTURE, width: 128 } }));
  packager.flush();
  assert.deepEqual(
    headers.map(({ anchor }) => anchor.ticks),
    [3600, 14_400, 84_600, 88_200],
  );
  assert.equal(chunks.length, 6);
});

test("what was recorded before the connection was lost is pressed together, and time is right after it", () => {
  const { packager, chunks } = packaged({ floorTicks: 90_000 });
  for (let at = 500; at < 1400; at += 40) packager.push(unit(at, { key: at === 500 }));
  packager.flush();
  for (const [index, chunk] of chunks.entries())
    if (index > 0) assert.equal(chunk.ticks, chunks[index - 1]!.ticks + chunks[index - 1]!.durationTicks);
  assert.equal(chunks[0]?.ticks, 90_000);
  assert.equal(chunks.length, 23);
  assert.equal(chunks.at(-1)?.ticks, 1380 * 90);
  const sound = packaged({ floorTicks: 48_000 });
  for (let frame = 0; frame < 100; frame++) sound.packager.push(unit((frame * 1024) / 48, { format: SOUND, key: true }));
  sound.packager.flush();
  assert.ok(Math.abs(sound.chunks[0]!.ticks - 48_000) < 512);
  assert.equal(sound.chunks.length, 100 - 47);
});

test("sound of a drifting source has no seams: each unit ends where the next begins", () => {
  const { packager, chunks } = packaged();
  for (let frame = 0; frame < 500; frame++) packager.push(unit((frame * 1024 * 1.0002) / 48, { format: SOUND, key: true }));
  for (const [index, chunk] of chunks.entries())
    if (index > 0) assert.equal(chunk.ticks, chunks[index - 1]!.ticks + chunks[index - 1]!.durationTicks);
  assert.equal(chunks.at(-1)!.ticks, Math.round(498 * 1024 * 1.0002));
});

test("AAC frames, also several in a packet and one over several, come out as they went in", () => {
  const info: RtspTrackInfo = {
    index: 0,
    kind: "audio",
    encoding: "MPEG4-GENERIC",
    clockRate: 48_000,
    channels: 1,
    payloadType: 97,
    control: "",
    fmtp: { sizelength: "13", indexlength: "3", indexdeltalength: "3", config: "1188" },
  };
  const frames = Array.from({ length: 60 }, (_, index) => Buffer.alloc(100 + index, index));
  const units: AccessUnit[] = [];
  const receiver = new Receiver({ tracks: [{ number: 4, info }], onUnit: (_number, sound) => units.push(sound), onSound: () => {} });
  const source: RtpSource = { payloadType: 97, ssrc: 7, sequence: 1 };
  const arrive = (packet: Buffer, frame: number) =>
    receiver.rtp({ track: 0, packet, arrivedUs: T0_US + Math.round((frame * 1024e6) / 48_000) });
  for (const [index, frame] of frames.slice(0, 40).entries()) arrive(packetizeAac(frame, index * 1024, source), index);
  const [first, second] = [frames[40]!, frames[41]!];
  const pair = Buffer.concat([
    Buffer.from([0, 32, first.length >> 5, (first.length << 3) & 0xff, second.length >> 5, (second.length << 3) & 0xff]),
    first,
    second,
  ]);
  const template = packetizeAac(Buffer.alloc(1), 40 * 1024, source).subarray(0, 12);
  arrive(Buffer.concat([template, pair]), 41);
  const whole = packetizeAac(frames[42]!, 42 * 1024, source);
  const head = whole.subarray(0, 16);
  const next = Buffer.from(head);
  next.writeUInt16BE(source.sequence++, 2);
  arrive(Buffer.concat([head, frames[42]!.subarray(0, 50)]), 42);
  arrive(Buffer.concat([next, frames[42]!.subarray(50)]), 42);
  assert.equal(units.length, 42);
  assert.deepEqual(units[40]?.frameBytes, [140, 141]);
  assert.deepEqual(Buffer.concat(units.map(({ data }) => data)), Buffer.concat(frames.slice(0, 43)));
  const { packager, chunks } = packaged();
  for (const sound of units) packager.push(sound);
  packager.flush();
  assert.equal(chunks[40]?.durationTicks, 2048);
  assert.equal([...walkChunks(Buffer.concat(chunks[40].parts))][0]?.samples.length, 2);
});
