import assert from "node:assert/strict";
import { test } from "node:test";
import { packetizeH264 } from "@xiezhi/rtsp/packetize.ts";
import { type RtpSource, rtpMarker, rtpPayload, rtpSequence, rtpTimestamp } from "@xiezhi/rtsp/rtp.ts";
import * as fc from "fast-check";
import { H264Depacketizer, type UntimedUnit } from "./h264.ts";
import { isRecoveryPoint, readSps } from "./h264-syntax.ts";
import { makeClip, numberSei } from "./testing.ts";

const clip = makeClip({ seconds: 3 });
const typeOf = (nal: Buffer) => (nal[0] as number) & 31;
const withoutSets = (nals: readonly Buffer[]) => nals.filter((nal) => typeOf(nal) !== 7 && typeOf(nal) !== 8);

function stored(nals: readonly Buffer[]): Buffer {
  return Buffer.concat(
    nals.flatMap((nal) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(nal.length);
      return [length, nal];
    }),
  );
}

interface Sent {
  payload: Buffer;
  ticks: number;
  marker: boolean;
  sequence: number;
}

function send(units: readonly (readonly Buffer[])[], aggregate = false): Sent[] {
  const source: RtpSource = { payloadType: 96, ssrc: 1, sequence: 65_500 };
  return units.flatMap((nals, index) =>
    packetizeH264(nals, index * 3600, source, { aggregate }).map((packet) => ({
      payload: rtpPayload(packet) as Buffer,
      ticks: rtpTimestamp(packet),
      marker: rtpMarker(packet),
      sequence: rtpSequence(packet),
    })),
  );
}

function receive(packets: readonly Sent[], sprop: readonly Buffer[] = []): { units: UntimedUnit[] } {
  const units: UntimedUnit[] = [];
  const depacketizer = new H264Depacketizer(sprop, (unit) => units.push(unit));
  let expected = packets[0]?.sequence ?? 0;
  for (const { payload, ticks, marker, sequence } of packets) {
    depacketizer.push(payload, ticks, marker, (sequence - expected) & 0xffff, ticks);
    expected = sequence + 1;
  }
  return { units };
}

for (const aggregate of [false, true])
  test(`units come out bit for bit, ${aggregate ? "aggregated" : "alone and fragmented"}, with their SEI`, () => {
    const numbered = clip.map((nals, index) => [...nals.slice(0, 1), numberSei(index), ...nals.slice(1)]);
    const { units } = receive(send(numbered, aggregate));
    assert.equal(units.length, clip.length);
    for (const [index, unit] of units.entries()) assert.deepEqual(unit.data, stored(withoutSets(numbered[index]!)));
    assert.deepEqual(
      units.flatMap(({ key }, index) => (key ? [index] : [])),
      [0, 25, 50],
    );
    assert.equal(new Set(units.map(({ format }) => format)).size, 1);
  });

test("units end by marker, by another time, or by delimiter", () => {
  const packets = send(clip);
  const byTime = packets.map((packet) => ({ ...packet, marker: false }));
  assert.equal(receive(byTime).units.length, clip.length - 1);
  const byDelimiter = byTime.map((packet) => ({ ...packet, ticks: 5 }));
  assert.equal(receive(byDelimiter).units.length, clip.length - 1);
});

test("a marker on each NAL unit is seen through, and costs one unit", () => {
  // Two slices a picture: made of one by a second one whose first macroblock is not 0.
  const slice = (nal: Buffer) => Buffer.concat([nal.subarray(0, 1), Buffer.from([0x5f]), nal.subarray(2)]);
  const units = clip.map((nals) => [...nals.filter((nal) => typeOf(nal) !== 9), slice(nals.at(-1)!)]);
  const packets = send(units).map((packet) => ({ ...packet, marker: true }));
  const received = receive(packets);
  // The first was handed out as half a picture; what follows is whole and flagged up to the next key frame.
  assert.deepEqual(received.units[2]?.data, stored(withoutSets(units[2]!)));
  assert.ok(received.units.length >= clip.length - 2);
  assert.equal(received.units[2]?.damaged, true);
  assert.equal(received.units.filter(({ key }) => key)[1]?.damaged, false);
});

test("a lost packet costs its unit; those after it are damaged up to the next key frame", () => {
  const packets = send(clip.map((nals, index) => [...nals, numberSei(index)]));
  for (const [index, packet] of packets.entries()) {
    const unitIndex = packet.ticks / 3600;
    if (unitIndex < 2 || unitIndex > 30) continue;
    const { units } = receive(packets.toSpliced(index, 1));
    const missing = clip.length - units.length;
    const after = units.find(({ sourceTicks }) => sourceTicks > packet.ticks)!;
    assert.ok(missing <= 1, `packet ${index} cost ${missing} units`);
    if (missing === 1) assert.equal(after.lostPackets, 1);
    assert.equal(
      units.reduce((sum, { lostPackets }) => sum + lostPackets, 0),
      1,
    );
    if (!after.key && missing === 1) assert.equal(after.damaged, true);
    assert.equal(units.find(({ key, sourceTicks }) => key && sourceTicks > packet.ticks)?.damaged, false);
    for (const unit of units) if (!unit.damaged) assert.ok(unit.key || unit.sourceTicks < packet.ticks || unit.sourceTicks > 25 * 3600);
  }
});

test("nothing before the first key frame; sets of the description serve, those in band count more", () => {
  const sets = clip[0]!.filter((nal) => typeOf(nal) === 7 || typeOf(nal) === 8);
  const bare = clip.map(withoutSets);
  assert.equal(receive(send(bare)).units.length, 0);
  assert.equal(receive(send(bare.slice(3)), sets).units[0]?.sourceTicks, 22 * 3600);
  const other = makeClip({ seconds: 1, width: 640 });
  const { units } = receive(
    send([...clip.slice(0, 25), ...other]),
    other[0]!.filter((nal) => typeOf(nal) === 7 || typeOf(nal) === 8),
  );
  const formats = [...new Set(units.map(({ format }) => format))];
  assert.deepEqual(
    formats.map((format) => format.kind === "video" && [format.width, format.height]),
    [
      [320, 180],
      [640, 180],
    ],
  );
  assert.equal(units.find(({ format }) => format === formats[1])?.key, true);
});

test("a parameter set that changes unused makes no new stretch", () => {
  const pps = clip[0]!.find((nal) => typeOf(nal) === 8)!;
  // id 0 is the code "1"; "010" is id 1.
  const unused = Buffer.concat([pps.subarray(0, 1), Buffer.from([0x50 | ((pps[1] as number) >> 3)]), pps.subarray(2)]);
  const units = clip.map((nals, index) => (index === 25 ? [nals[0]!, unused, ...nals.slice(1)] : nals));
  assert.equal(new Set(receive(send(units)).units.map(({ format }) => format)).size, 1);
});

test("hostile payloads never throw and never grow without bound", () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(fc.constantFrom(24, 28, 7, 8, 5, 1, 6, 29, 0x7c), fc.uint8Array({ maxLength: 60 }))
      .map(([type, rest]) => Uint8Array.of(type, ...rest)),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(payload, fc.nat(3), fc.boolean(), fc.nat(2)), { maxLength: 60 }), (packets) => {
      const sets = clip[0]!.filter((nal) => typeOf(nal) === 7 || typeOf(nal) === 8);
      const depacketizer = new H264Depacketizer(sets, () => {});
      for (const [bytes, ticks, marker, missing] of packets) depacketizer.push(Buffer.from(bytes), ticks, marker, missing, 0);
    }),
    { numRuns: 300 },
  );
  const depacketizer = new H264Depacketizer([], () => assert.fail("no unit is that large"));
  const piece = Buffer.alloc(60_000, 0x41);
  const beforeBytes = process.memoryUsage().arrayBuffers;
  for (let index = 0; index < 2000; index++) {
    piece[0] = 28;
    piece[1] = index === 0 ? 0x85 : 0x05;
    depacketizer.push(piece, 1, false, 0, 0);
  }
  assert.ok(process.memoryUsage().arrayBuffers - beforeBytes < 64e6);
});

test("sequence parameter sets: size with cropping, and what is none", () => {
  const read = (hex: string) => readSps(Buffer.from(hex, "hex"));
  // 1080p High by x264: 1088 lines, 8 cropped.
  assert.deepEqual(read("67640028acd940780227e5c044000003000400000300c83c60c658"), {
    id: 0,
    codec: "avc1.640028",
    width: 1920,
    height: 1080,
  });
  assert.equal(read("67"), undefined);
  assert.equal(read("6764"), undefined);
  assert.equal(read(`67640028${"00".repeat(40)}`), undefined);
});

test("a recovery point is found behind other messages, and nothing else is taken for one", () => {
  const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
  const point = "06 01 c4";
  const long = `05 ff 2d ${"aa".repeat(300)}`;
  assert.equal(isRecoveryPoint(hex(`06 ${point} 80`)), true);
  assert.equal(isRecoveryPoint(hex(`06 01 02 00 0c ${point} 80`)), true);
  // Five bytes of payload, of which the 03 is none: 00 00 01 06 06.
  assert.equal(isRecoveryPoint(hex(`06 05 05 00 00 03 01 06 06 ${point} 80`)), true);
  assert.equal(isRecoveryPoint(hex("06 05 05 00 00 03 01 06 06 80")), false);
  assert.equal(isRecoveryPoint(hex("06 05 03 06 06 06 80")), false);
  assert.equal(isRecoveryPoint(hex(`06 ff 06 ${"bb".repeat(6)} 80`)), false);
  assert.equal(isRecoveryPoint(hex(`06 ${long} 80`)), false);
  for (const short of ["06", "06 06", "06 80", "06 05 10 aa"]) assert.equal(isRecoveryPoint(hex(short)), false);
});
