import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { packetizeH264, packetizeSamples } from "@xiezhi/rtsp/packetize.ts";
import type { RtpSource } from "@xiezhi/rtsp/rtp.ts";
import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import * as fc from "fast-check";
import type { AccessUnit, FrameUnit, SampleUnit } from "../unit.ts";
import { levelsOf } from "./pcm.ts";
import { type ReceivedTrack, Receiver, receives } from "./receiver.ts";
import { makeClip } from "./testing.ts";

const START_US = 8e9;

function info(facts: Partial<RtspTrackInfo>): RtspTrackInfo {
  return { index: 0, kind: "audio", encoding: "PCMA", clockRate: 8_000, channels: 1, payloadType: 8, fmtp: {}, control: "", ...facts };
}

const VIDEO = info({ kind: "video", encoding: "H264", clockRate: 90_000, payloadType: 96 });

function receiving(tracks: readonly ReceivedTrack[]) {
  const units: { number: number; unit: AccessUnit }[] = [];
  const samples: { number: number; unit: SampleUnit }[] = [];
  const frames: { number: number; unit: FrameUnit }[] = [];
  const receiver = new Receiver({
    tracks,
    onUnit: (number, unit) => units.push({ number, unit }),
    onSound: (number, unit) => ("samples" in unit ? samples.push({ number, unit }) : frames.push({ number, unit })),
  });
  return { receiver, units, samples, frames };
}

const source = (payloadType: number, ssrc = 1): RtpSource => ({ payloadType, ssrc, sequence: 65_533 });

test("a burst of cached pictures stands where they were taken, and nothing is held longer than it lasts", () => {
  const clip = makeClip({ seconds: 3 });
  const { receiver, units } = receiving([{ number: 1, info: VIDEO }]);
  const rtp = source(96);
  const takenUs = (index: number) => START_US - 2e6 + index * 40_000;
  for (const [index, nals] of clip.entries()) {
    // 50 pictures in 150 ms, then one each 40 ms.
    const arrivedUs = index < 50 ? START_US + 30_000 + index * 3_000 : takenUs(index) + 30_000 + 100_000;
    for (const packet of packetizeH264(nals, 12_345 + index * 3600, rtp)) receiver.rtp({ track: 0, packet, arrivedUs });
    if (arrivedUs < START_US + 250_000) assert.equal(units.length, 0);
    if (arrivedUs > START_US + 420_000) assert.equal(units.length, index + 1);
  }
  for (const [index, { unit }] of units.entries()) assert.ok(Math.abs(unit.timeUs - takenUs(index) - 130_000) < 20_000, `picture ${index}`);
});

test("a source that begins anew with another SSRC jumps, and goes on with a key frame", () => {
  const clip = makeClip({ seconds: 3 });
  const { receiver, units } = receiving([{ number: 1, info: VIDEO }]);
  const [first, second] = [source(96), source(96, 2)];
  for (const [index, nals] of clip.entries()) {
    const packets = index < 30 ? packetizeH264(nals, index * 3600, first) : packetizeH264(nals, 4e9 + index * 3600, second);
    for (const packet of packets) receiver.rtp({ track: 0, packet, arrivedUs: START_US + index * 40_000 });
  }
  const jumps = units.flatMap(({ unit }, index) => (unit.discontinuity ? [index] : []));
  assert.deepEqual(jumps, [30]);
  assert.equal(units[30]?.unit.key, true);
  // Pictures 30 to 49 can't be decoded.
  assert.equal(units.length, 55);
  for (const [index, { unit }] of units.entries()) {
    const taken = index < 30 ? index : index + 20;
    assert.ok(Math.abs(unit.timeUs - START_US - taken * 40_000) < 20_000);
  }
  assert.ok(units.every(({ unit }) => unit.lostPackets === 0));
});

test("sender reports are unwrapped like the packets, and bring sound and picture together", () => {
  const clip = makeClip({ seconds: 3 });
  const { receiver, units, samples } = receiving([
    { number: 1, info: VIDEO },
    { number: 2, info: info({ index: 1 }) },
  ]);
  const [picture, sound] = [source(96), source(8, 9)];
  const nearEnd = 2 ** 32 - 90_000;
  const ntpMs = Date.UTC(2026, 10, 24);
  for (let ms = 0; ms < 3000; ms += 20) {
    const arrivedUs = START_US + ms * 1e3;
    // A picture comes 150 ms after it was taken, sound after 20 ms.
    if (ms % 40 === 0)
      for (const packet of packetizeH264(clip[ms / 40]!, nearEnd + ms * 90, picture))
        receiver.rtp({ track: 0, packet, arrivedUs: arrivedUs + 150_000 });
    receiver.rtp({ track: 1, packet: packetizeSamples(Buffer.alloc(160, 0xd5), ms * 8, sound), arrivedUs: arrivedUs + 20_000 });
    if (ms % 1000 === 0) {
      receiver.report({ track: 0, ntpMs: ntpMs + ms, rtpTimestamp: (nearEnd + ms * 90) % 2 ** 32, arrivedUs });
      receiver.report({ track: 1, ntpMs: ntpMs + ms, rtpTimestamp: ms * 8, arrivedUs });
    }
  }
  assert.deepEqual(receiver.lastReport(0), { sourceTicks: nearEnd + 180_000, utcUs: (ntpMs + 2000) * 1e3 });
  for (const { unit } of units) assert.ok(Math.abs(unit.timeUs - START_US - (unit.sourceTicks - nearEnd) / 0.09 - 20_000) < 2_000);
  for (const { unit } of samples) assert.ok(Math.abs(unit.timeUs - START_US - unit.sourceTicks * 125 - 20_000) < 2_000);
});

test("each channel of a track is a microphone of its own; what comes in between is left out", () => {
  const stereo = info({ encoding: "L16", clockRate: 48_000, channels: 2, payloadType: 97 });
  const { receiver, samples } = receiving([
    { number: 3, info: stereo, channel: 0 },
    { number: 4, info: stereo, channel: 1 },
    { number: 5, info: stereo },
  ]);
  const payload = Buffer.alloc(960 * 4);
  for (let at = 0; at < 960; at++) {
    payload.writeInt16BE(1000 + at, at * 4);
    payload.writeInt16BE(-3000, at * 4 + 2);
  }
  const [rtp, comfort] = [source(97), source(13)];
  for (let index = 0; index < 40; index++) {
    const packets = [packetizeSamples(payload, index * 960, rtp), packetizeSamples(payload, index * 960, comfort)];
    for (const packet of packets) receiver.rtp({ track: 0, packet, arrivedUs: START_US + index * 20_000 });
  }
  const of = (number: number) => samples.filter((sample) => sample.number === number).map(({ unit }) => unit.samples);
  assert.equal(of(3).length, 40);
  assert.equal(of(3)[0]?.readInt16LE(20), 1010);
  assert.equal(of(4)[0]?.readInt16LE(20), -3000);
  assert.equal(of(5)[0]?.readInt16LE(20), -995);
});

for (const [encoding, format] of [
  ["PCMA", "alaw"],
  ["PCMU", "mulaw"],
] as const)
  test(`${encoding}: each code means what ffmpeg says`, () => {
    const codes = Buffer.from(Array.from({ length: 256 }, (_, code) => code));
    const expected = execFileSync("ffmpeg", ["-v", "error", "-f", format, "-ar", "8000", "-i", "-", "-f", "s16le", "-"], { input: codes });
    const { receiver, samples } = receiving([{ number: 1, info: info({ encoding }) }]);
    const rtp = source(8);
    for (let index = 0; index < 20; index++)
      receiver.rtp({ track: 0, packet: packetizeSamples(codes, index * 256, rtp), arrivedUs: START_US + index * 32_000 });
    assert.deepEqual(samples[0]?.unit.samples, expected);
  });

test("levels: silence, full scale and half", () => {
  assert.deepEqual(levelsOf(Buffer.alloc(320)), { rmsDbfs: -100, peakDbfs: -100 });
  assert.deepEqual(levelsOf(Buffer.alloc(0)), { rmsDbfs: -100, peakDbfs: -100 });
  const square = Buffer.alloc(320);
  for (let at = 0; at < 160; at++) square.writeInt16LE(at % 2 === 0 ? -32_768 : 16_384, at * 2);
  const { rmsDbfs, peakDbfs } = levelsOf(square);
  assert.equal(peakDbfs, 0);
  assert.ok(Math.abs(rmsDbfs + 2.04) < 0.01);
});

test("what can be received is known before it is asked for", () => {
  const aac = (config: string, clockRate = 48_000) =>
    info({ encoding: "MPEG4-GENERIC", clockRate, fmtp: { config, sizelength: "13", indexlength: "3", indexdeltalength: "3" } });
  assert.equal(receives(VIDEO), "passed");
  assert.equal(receives(info({ kind: "video", encoding: "JPEG" })), "no");
  // AAC-LC of 48 kHz, mono.
  assert.equal(receives(aac("1188")), "passed");
  assert.equal(receives(aac("1188"), 0), "passed");
  assert.equal(receives(aac("1188"), 1), "no");
  assert.equal(receives({ ...aac("1188"), fmtp: {} }), "no");
  // Stereo; 44.1 and 16 kHz; SBR over 24 kHz; PS, whose second channel is in no header.
  assert.deepEqual([receives(aac("1190")), receives(aac("1190"), 1), receives(aac("1190"), 2)], ["encoded", "encoded", "no"]);
  assert.equal(receives(aac("1208", 44_100)), "encoded");
  assert.equal(receives(aac("1408", 16_000)), "encoded");
  assert.equal(receives(aac("2b098800")), "encoded");
  assert.equal(receives(aac("eb098800"), 1), "encoded");
  assert.equal(receives(info({})), "encoded");
  assert.equal(receives(info({}), 1), "no");
});

test("packets of any kind never throw", () => {
  const tracks = [
    VIDEO,
    info({ index: 1, encoding: "L16", channels: 2 }),
    info({ index: 2, encoding: "MPEG4-GENERIC", clockRate: 48_000, payloadType: 97 }),
  ];
  const aac = { config: "1188", sizelength: "13", indexlength: "3", indexdeltalength: "3" };
  tracks[2]!.fmtp = aac;
  const packet = fc.tuple(fc.nat(3), fc.constantFrom(96, 8, 97), fc.uint8Array({ maxLength: 80 }), fc.nat(1e7));
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 50 }), (packets) => {
      const { receiver } = receiving(tracks.map((track, index) => ({ number: index, info: track })));
      for (const [track, type, bytes, arrivedUs] of packets)
        receiver.rtp({ track, packet: Buffer.concat([Buffer.from([0x80, type]), bytes]), arrivedUs });
    }),
    { numRuns: 300 },
  );
});
