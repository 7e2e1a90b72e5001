import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aacFmtp, packetizeAac, packetizeH264, packetizeSamples } from "./packetize.ts";
import { buildSenderReport, utcMsOfNtp, visitRtcp } from "./rtcp.ts";
import { isRtp, newRtpPacket, RtpSequence, rtpMarker, rtpPayload, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "./rtp.ts";

const source = (sequence = 0) => ({ payloadType: 96, ssrc: 0xdeadbeef, sequence });

test("a header reads back as it was written", () => {
  const from = source(65_535);
  const packet = newRtpPacket(from, 2 ** 32 + 5, true, 3);
  assert.ok(isRtp(packet));
  assert.deepEqual(
    [rtpMarker(packet), rtpPayloadType(packet), rtpSequence(packet), rtpTimestamp(packet), rtpSsrc(packet), rtpPayload(packet)?.length],
    [true, 96, 65_535, 5, 0xdeadbeef, 3],
  );
  assert.equal(from.sequence, 0);
});

test("payload lies behind sources and extension and before padding; lies about lengths give nothing", () => {
  const packet = (first: number, ...rest: number[]) => Buffer.from([first, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, ...rest]);
  const cases: [Buffer, number[] | undefined][] = [
    [packet(0x80, 7, 8), [7, 8]],
    [packet(0x82, 1, 1, 1, 1, 2, 2, 2, 2, 9), [9]],
    [packet(0x90, 0xbe, 0xde, 0, 1, 5, 5, 5, 5, 9), [9]],
    [packet(0xb1, 1, 1, 1, 1, 0, 0, 0, 0, 9, 0, 0, 3), [9]],
    [packet(0xa0, 7, 8, 1), [7, 8]],
    [packet(0xa0, 7, 8, 0), undefined],
    [packet(0xa0, 7, 8, 200), undefined],
    [packet(0x8f, 1), undefined],
    [packet(0x90, 1, 2), undefined],
    [packet(0x90, 0, 0, 0xff, 0xff, 1), undefined],
  ];
  for (const [bytes, expected] of cases) assert.deepEqual(rtpPayload(bytes), expected && Buffer.from(expected), bytes.toString("hex"));
});

test("what is no RTP: too short, another version, RTCP", () => {
  for (const bytes of [
    [],
    [0x80, 96],
    [0x40, 96, ...Array(10).fill(0)],
    [0x80, 200, ...Array(10).fill(0)],
    [0x81, 203, ...Array(10).fill(0)],
  ])
    assert.equal(isRtp(Buffer.from(bytes)), false);
});

test("any bytes that pass as RTP can be read without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), (bytes) => {
      const packet = Buffer.from(bytes);
      const payload = rtpPayload(packet);
      assert.ok(payload === undefined || payload.length <= packet.length - 12);
    }),
  );
});

test("missing packets are counted across the wrap, repetitions are not taken, a restart is", () => {
  const sequence = new RtpSequence();
  const arrivals: [number, number][] = [
    [65_533, 0],
    [65_534, 0],
    [1, 2],
    [2, 0],
    [2, -1],
    [60_000, -1],
    [3, 0],
    [40_000, -1],
    [40_001, 0],
    [40_002, 0],
  ];
  for (const [number, expected] of arrivals) assert.equal(sequence.arrive(number), expected, String(number));
  assert.deepEqual([sequence.lost, sequence.repeated], [2, 3]);
});

test("a sender report says UTC to the microsecond, also after 2036, beside other reports", () => {
  for (const utcMs of [Date.UTC(2026, 8, 28) + 0.25, Date.UTC(2036, 1, 7, 6, 28, 16) + 0.5, Date.UTC(2040, 0, 1) + 999.999]) {
    const report = buildSenderReport({ ssrc: 7, utcMs, rtpTimestamp: 2 ** 32 + 90_000, packets: 3, payloadBytes: 4 });
    assert.equal(report.length % 4, 0);
    const seen: unknown[] = [];
    const compound = Buffer.concat([
      Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 1]),
      report,
      Buffer.from([0x82, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8]),
    ]);
    visitRtcp(compound, {
      onSenderReport: (ssrc, ntpMs, rtpTimestamp) => {
        assert.ok(Math.abs(ntpMs - utcMs) < 0.001, `${ntpMs} for ${utcMs}`);
        seen.push(ssrc, rtpTimestamp);
      },
      onBye: (ssrc) => seen.push(`bye ${ssrc}`),
    });
    assert.deepEqual(seen, [7, 90_000, "bye 7", "bye 8"]);
  }
  assert.equal(utcMsOfNtp(2_208_988_800, 0x80000000), 500);
});

test("RTCP whose lengths or counts lie ends the walk", () => {
  const visited: string[] = [];
  const visitor = { onSenderReport: () => visited.push("report"), onBye: () => visited.push("bye") };
  for (const bytes of [
    [],
    [0x80],
    [0x80, 200, 0, 6, 0, 0],
    [0x80, 200, 0, 1, 0, 0, 0, 1],
    [0x00, 203, 0, 0],
    [0x9f, 203, 0, 0],
    [0x80, 200, 0xff, 0xff, 1, 2, 3, 4],
  ])
    visitRtcp(Buffer.from(bytes), visitor);
  assert.deepEqual(visited, []);
  visitRtcp(Buffer.concat([Buffer.from([0x80, 200, 0, 6, 0, 0, 0, 1]), Buffer.alloc(20)]), visitor);
  assert.deepEqual(visited, [], "a device without a clock reports no time");
});

/** As a receiver does it (RFC 6184 clauses 5.6 to 5.8). */
function nalsOf(packets: readonly Buffer[]): Buffer[] {
  const nals: Buffer[] = [];
  let open: Buffer[] = [];
  for (const packet of packets) {
    const payload = rtpPayload(packet) as Buffer;
    const [first = 0, second = 0] = payload;
    if ((first & 31) === 28) {
      if (second & 0x80) open = [Buffer.from([(first & 0xe0) | (second & 31)])];
      open.push(payload.subarray(2));
      if (second & 0x40) nals.push(Buffer.concat(open));
    } else if ((first & 31) === 24) {
      for (let at = 1; at < payload.length; at += 2 + payload.readUInt16BE(at))
        nals.push(payload.subarray(at + 2, at + 2 + payload.readUInt16BE(at)));
    } else nals.push(payload);
  }
  return nals;
}

test("an access unit of any sizes survives packets of at most 1440 bytes; the last carries the marker", () => {
  const nal = fc.tuple(fc.constantFrom(0x67, 0x68, 0x65, 0x41, 0x06), fc.integer({ min: 0, max: 6000 })).map(([header, bytes]) => {
    return Buffer.concat([Buffer.from([header]), Buffer.alloc(bytes, bytes & 0xff)]);
  });
  fc.assert(
    fc.property(fc.array(nal, { minLength: 1, maxLength: 6 }), fc.boolean(), (nals, aggregate) => {
      const packets = packetizeH264(nals, 1234, source(65_530), { aggregate });
      assert.deepEqual(nalsOf(packets), nals);
      assert.ok(packets.every((packet) => packet.length <= 1440 && rtpTimestamp(packet) === 1234));
      assert.deepEqual(
        packets.map(rtpMarker),
        packets.map((_, i) => i === packets.length - 1),
      );
      assert.deepEqual(
        packets.map(rtpSequence),
        packets.map((_, i) => (65_530 + i) & 0xffff),
      );
    }),
  );
});

test("small units share a packet when asked to", () => {
  const nals = [Buffer.from([0x67, 1]), Buffer.from([0x68, 2]), Buffer.from([0x06, 3])];
  assert.equal(packetizeH264(nals, 0, source(), { aggregate: true }).length, 1);
  assert.equal(packetizeH264(nals, 0, source()).length, 3);
  assert.deepEqual(packetizeH264([], 0, source()), []);
});

test("AAC has its AU header, samples are as they are", () => {
  const packet = packetizeAac(Buffer.alloc(300, 9), 1024, source());
  const payload = rtpPayload(packet) as Buffer;
  assert.deepEqual([payload.readUInt16BE(0), payload.readUInt16BE(2) >> 3, payload.length, rtpMarker(packet)], [16, 300, 304, true]);
  assert.throws(() => packetizeAac(Buffer.alloc(8192), 0, source()), RangeError);
  assert.match(aacFmtp(Buffer.from([0x11, 0x88])), /mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1188$/);
  assert.deepEqual(rtpPayload(packetizeSamples(Buffer.from([1, 2]), 0, source())), Buffer.from([1, 2]));
});
