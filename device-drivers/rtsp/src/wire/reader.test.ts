import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RtspFormatError } from "./messages.ts";
import { RtspReader } from "./reader.ts";

/** Everything read, as text that can be compared. */
function readAll(chunks: readonly Buffer[], channels = [0, 1], resync = true, bufferBytes = 256) {
  const seen: string[] = [];
  const reader = new RtspReader(
    {
      onFrame: (channel, packet) => seen.push(`${channel}:${packet.toString("hex")}`),
      onMessage: (message) => seen.push(`${message.kind === "response" ? message.status : message.method}:${message.body.toString("hex")}`),
    },
    { resync, bufferBytes },
  );
  for (const channel of channels) reader.channels[channel] = 1;
  for (const chunk of chunks) reader.feed(chunk);
  return { seen, garbageBytes: reader.garbageBytes };
}

function frame(channel: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x24, channel, payload.length >> 8, payload.length & 0xff]), payload]);
}

function rtp(bytes: number, fill = 0x41): Buffer {
  return Buffer.concat([Buffer.from([0x80, 96]), Buffer.alloc(bytes, fill)]);
}

function response(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
}

const cutAnywhere = (bytes: Buffer, sizes: readonly number[]) => {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
};

test("frames and messages come out the same however the bytes are cut", () => {
  const body = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  const unit = fc.oneof(
    fc.record({ channel: fc.integer({ min: 0, max: 1 }), payload: body }).map(({ channel, payload }) => ({
      bytes: frame(channel, payload),
      text: `${channel}:${payload.toString("hex")}`,
    })),
    body.map((content) => ({ bytes: response(content), text: `200:${content.toString("hex")}` })),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), sizes, (units, cuts) => {
      // A frame without a byte of content is told apart only by what follows it.
      const bytes = Buffer.concat([...units.map((one) => one.bytes), Buffer.from("\r\n")]);
      const read = readAll(cutAnywhere(bytes, cuts));
      assert.deepEqual(read, { seen: units.map((one) => one.text), garbageBytes: 0 });
    }),
    { numRuns: 200 },
  );
});

test("one byte a read is no different", () => {
  const bytes = Buffer.concat([response(Buffer.from("v=0")), frame(0, rtp(1500)), frame(1, rtp(8)), response(Buffer.alloc(0))]);
  const whole = readAll([bytes]);
  assert.equal(whole.seen.length, 4);
  assert.deepEqual(readAll(cutAnywhere(bytes, [1])), whole);
});

test("noise between frames is passed over and counted, whatever it looks like", () => {
  const noises = ["\x00\x01\x02", "HELLO WORLD", "RTSP/ nonsense is not a start", "$\x07\xff\xffnot a channel", "R", "$$$$$$"];
  for (const noise of noises) {
    const good = [frame(0, rtp(40)), frame(1, rtp(30)), frame(0, rtp(20)), frame(0, rtp(24))];
    const bytes = Buffer.concat([good[0] as Buffer, Buffer.from(noise, "latin1"), ...good.slice(1)]);
    for (const cuts of [[1], [7], [1000]]) {
      const read = readAll(cutAnywhere(bytes, cuts));
      assert.deepEqual(read, { seen: readAll(good).seen, garbageBytes: noise.length }, JSON.stringify(noise));
    }
  }
});

test("a frame that a camera cut short does not swallow those behind it", () => {
  const next = [frame(0, rtp(100, 1)), frame(0, rtp(100, 2)), frame(0, rtp(100, 3)), frame(0, rtp(100, 4))];
  const torn = frame(0, rtp(250)).subarray(0, 80);
  const read = readAll([Buffer.concat([torn, ...next])], [0, 1], true, 4096);
  assert.deepEqual(read, { seen: readAll(next).seen, garbageBytes: torn.length });
});

test("a frame of a channel that was not set up is handed on, the next one is found", () => {
  const read = readAll([Buffer.concat([frame(9, rtp(20)), frame(0, rtp(20))])]);
  assert.equal(read.seen.length, 2);
  assert.equal(read.garbageBytes, 0);
});

test("lines may end with LF alone, names are in any case, lines are folded, empty lines come first", () => {
  const texts = [
    "rtsp/1.0 200 ok\ncseq: 1\ncontent-length: 3\n\nv=0",
    "\r\n\r\nRTSP/1.0 200\r\nX: a\r\n  b\r\nnonsense\r\nCONTENT-LENGTH:3\r\n\r\nv=0",
  ];
  for (const text of texts)
    for (const cuts of [[1], [500]]) assert.deepEqual(readAll(cutAnywhere(Buffer.from(text), cuts)).seen, ["200:763d30"]);
});

test("what has no end is refused before it costs memory", () => {
  const endless = {
    "head without end": [Buffer.from("RTSP/1.0 200 OK\r\n"), Buffer.from("X: y\r\n".repeat(20_000))],
    "line without end": [Buffer.from("RTSP/1.0 200 OK\r\nX: "), Buffer.alloc(80_000, 0x61)],
    "body of 100 MiB": [Buffer.from("RTSP/1.0 200 OK\r\nContent-Length: 104857600\r\n\r\n")],
    "length that is no number": [Buffer.from("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n")],
    "noise without end": [Buffer.alloc(2 * 1024 * 1024, 0x00)],
    "noise of R and $": [Buffer.from("R$".repeat(1024 * 1024))],
  };
  for (const [name, chunks] of Object.entries(endless)) assert.throws(() => readAll(chunks), RtspFormatError, name);
});

test("a server takes no noise", () => {
  assert.throws(() => readAll([Buffer.from("GET / HTTP/1.1\r\n\r\n")], [], false), RtspFormatError);
  assert.throws(() => readAll([Buffer.from([0x16, 0x03, 0x01, 0x02])], [], false), RtspFormatError);
  assert.deepEqual(readAll([Buffer.from("OPTIONS * RTSP/1.0\r\n\r\n")], [], false).seen, ["OPTIONS:"]);
});

test("any bytes are read to the end or refused with the one error", () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom("$\x00\x00\x05\x80", "RTSP/1.0 200 OK\r\n", "\r\n\r\n", "Content-Length: 5\r\n", "$", "OPTIONS ")
      .map((text) => Buffer.from(text, "latin1")),
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), fc.integer({ min: 1, max: 300 }), (parts, size) => {
      try {
        readAll(cutAnywhere(Buffer.concat(parts), [size]));
      } catch (error) {
        assert.ok(error instanceof RtspFormatError);
      }
    }),
    { numRuns: 500 },
  );
});
