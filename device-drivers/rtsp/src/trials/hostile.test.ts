import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import fc from "fast-check";
import { openRtsp, RtspError } from "../client.ts";
import { startRtspServer } from "../server.ts";
import { frames, microphone, openForTest, type Script, scriptedCamera, until } from "./scripted-camera.ts";

const MIB = 1024 * 1024;

/** Memory that is held beyond what was held before, in bytes; buffers are what could grow here. */
function grownBytes(before: NodeJS.MemoryUsage): number {
  const now = process.memoryUsage();
  return now.heapUsed + now.external - before.heapUsed - before.external;
}

const floods: Record<string, { script: Script; kind: string }> = {
  "100 MiB as a body": { script: { DESCRIBE: ({ answer }) => answer(`Content-Length: ${100 * MIB}\r\n\r\n`) }, kind: "protocol" },
  "a head without end": {
    script: {
      DESCRIBE: ({ answer }) =>
        answer()
          .slice(0, -2)
          .padEnd(100 * 1024, "X: y\r\n"),
    },
    kind: "protocol",
  },
  "noise without end": { script: { OPTIONS: () => Buffer.alloc(4 * MIB) }, kind: "protocol" },
  "an answer that is cut off": { script: { DESCRIBE: () => "RTSP/1.0 200 O" }, kind: "timeout" },
  "another protocol": { script: { OPTIONS: () => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" }, kind: "timeout" },
};

for (const [name, { script, kind }] of Object.entries(floods))
  test(`the client gives up: ${name}`, async (t) => {
    const camera = await scriptedCamera(t, script);
    const before = process.memoryUsage();
    await assert.rejects(
      openForTest(t, { url: camera.url, responseTimeoutMs: 300 }),
      (error) => error instanceof RtspError && error.kind === kind,
    );
    assert.ok(grownBytes(before) < 16 * MIB);
  });

test("noise in the middle of a session: a little is passed over, without end it ends", async (t) => {
  const camera = await scriptedCamera(t);
  const { session, packets } = await openForTest(t, { url: camera.url });
  const [socket] = camera.sockets;
  socket?.write(Buffer.concat([Buffer.alloc(1_000, 0x52), frames(2)]));
  await until(() => packets.length === 5);
  const before = process.memoryUsage();
  const flood = Buffer.alloc(MIB, 0xaa);
  for (let i = 0; i < 20; i++) socket?.write(flood);
  assert.equal(await session.closed, "protocol");
  assert.ok(grownBytes(before) < 32 * MIB);
});

test("a device that asks without end and never reads is left", async (t) => {
  const camera = await scriptedCamera(t);
  const { session } = await openForTest(t, { url: camera.url, silenceMs: 60_000 });
  const [socket] = camera.sockets;
  socket?.pause();
  const flood = Buffer.from("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(40_000));
  const pour = systemClock.every(2, () => socket?.destroyed || (socket?.writableLength ?? 0) > MIB || socket?.write(flood));
  t.after(() => pour.cancel());
  assert.equal(await session.closed, "protocol");
});

test("any answers lead to an RtspError or a session, never to anything else", async (t) => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    fc.constantFrom(
      "Session: ",
      "Transport: RTP/AVP/TCP;interleaved=",
      "0-1",
      "999-1",
      "\r\n",
      "\r\n\r\n",
      "WWW-Authenticate: Digest nonce=",
      "a=control:",
      "m=audio 0 RTP/AVP 8\r\n",
      "$\0\0\x0c",
    ),
  );
  const said = fc.tuple(
    fc.constantFrom("OPTIONS", "DESCRIBE", "SETUP", "PLAY"),
    fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("")),
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(said, async ([method, text, whole]) => {
      const camera = await scriptedCamera(t, {
        [method]: ({ answer }) => Buffer.from(whole ? answer(`Content-Length: ${text.length}\r\n\r\n${text}`) : answer(text), "latin1"),
      });
      const options = {
        url: camera.url,
        wants: () => true,
        clock: systemClock,
        signal: new AbortController().signal,
        onRtp: () => {},
        onSenderReport: () => {},
      };
      try {
        const session = await openRtsp({ ...options, username: "a", password: new Secret("b"), responseTimeoutMs: 30 });
        await session.close();
      } catch (error) {
        assert.ok(error instanceof RtspError, String(error));
      }
    }),
    { numRuns: 60 },
  );
});

test("the server refuses what is no RTSP and plays on for the others", async (t) => {
  const { stream } = microphone(systemClock);
  const server = await startRtspServer({ clock: systemClock, streams: () => stream });
  t.after(() => server.close());
  const { session, packets } = await openForTest(t, { url: `rtsp://127.0.0.1:${server.port}/mic` });
  const before = process.memoryUsage();
  const attacks: Record<string, Buffer> = {
    garbage: Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) & 0xff)),
    TLS: Buffer.from("160301020001000000", "hex"),
    "endless head": Buffer.from(`OPTIONS * RTSP/1.0\r\n${"X: y\r\n".repeat(20_000)}`),
    "endless line": Buffer.alloc(200_000, 0x41),
    "100 MiB": Buffer.from(`SET_PARAMETER * RTSP/1.0\r\nContent-Length: ${100 * MIB}\r\n\r\n`),
    "no version": Buffer.from("OPTIONS *\r\n\r\n"),
  };
  for (const [name, bytes] of Object.entries(attacks)) {
    const socket = connect(server.port, "127.0.0.1");
    const got: Buffer[] = [];
    socket.on("data", (chunk) => got.push(chunk));
    socket.on("error", () => {});
    socket.write(bytes);
    await once(socket, "close");
    assert.match(Buffer.concat(got).toString() || "RTSP/1.0 400", /^RTSP\/1\.0 400/, name);
  }
  assert.ok(grownBytes(before) < 16 * MIB);
  const { length } = packets;
  await until(() => packets.length > length + 10);
  assert.equal(session.counters.garbageBytes, 0);
});

test("requests that make no sense are answered, each with its status", async (t) => {
  const { stream } = microphone(systemClock);
  const server = await startRtspServer({ clock: systemClock, streams: (path) => (path === "/mic" ? stream : undefined) });
  t.after(() => server.close());
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  const at = `rtsp://127.0.0.1:${server.port}`;
  const ask = async (request: string) => {
    const [head] = request.split("|");
    socket.write(`${head} RTSP/1.0\r\nCSeq: 5\r\n${request.slice((head?.length ?? 0) + 1)}\r\n\r\n`.replace("\r\n\r\n\r\n", "\r\n\r\n"));
    const [answer] = (await once(socket, "data")) as [Buffer];
    return Number(answer.toString().split(" ")[1]);
  };
  const tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
  const cases: [string, number][] = [
    ["FETCH *", 501],
    [`DESCRIBE ${at}/../../etc/passwd`, 404],
    [`DESCRIBE ${at}/mic?x=1`, 200],
    [`SETUP ${at}/mic/trackID=0|Transport: RTP/AVP;unicast;client_port=1-2`, 461],
    [`SETUP ${at}/mic/trackID=7|${tcp}`, 404],
    [`SETUP ${at}/mic|${tcp}`, 404],
    [`PLAY ${at}/mic/`, 454],
    [`SETUP ${at}/mic/trackID=0|Transport: RTP/AVP;unicast;client_port=1-2, RTP/AVP/TCP;unicast;interleaved=0-1`, 200],
    [`PLAY ${at}/mic/|Session: foreign`, 454],
    ["GET_PARAMETER *", 200],
  ];
  for (const [request, status] of cases) assert.equal(await ask(request), status, request);
});

test("a connection that asks for nothing is let go after a minute", async (t) => {
  const clock = new SimulatedClock();
  const server = await startRtspServer({ clock, streams: () => undefined });
  t.after(() => server.close());
  const socket = connect(server.port, "127.0.0.1");
  const closed = once(socket, "close");
  socket.write("OPTIONS * RTSP/1.0\r\n\r\n");
  await once(socket, "data");
  await clock.advanceMs(60_000);
  await closed;
});

test("a client that does not read costs no memory without end", async (t) => {
  const big = Buffer.alloc(60_000, 0x80);
  const dropped = { count: 0 };
  const stream = {
    tracks: microphone(systemClock).stream.tracks,
    subscribe: (sink: { send(track: number, packet: Buffer): void }) => {
      const timer = systemClock.every(1, () => {
        for (let i = 0; i < 40; i++) sink.send(0, big);
      });
      return () => {
        dropped.count++;
        timer.cancel();
      };
    },
  };
  const server = await startRtspServer({ clock: systemClock, streams: () => stream });
  t.after(() => server.close());
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  const at = `rtsp://127.0.0.1:${server.port}/mic`;
  socket.write(`SETUP ${at}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.pause();
  socket.write(`PLAY ${at} RTSP/1.0\r\nCSeq: 2\r\nSession: ${/Session: (\w+)/.exec(answer.toString())?.[1]}\r\n\r\n`);
  await until(() => dropped.count === 1);
});
