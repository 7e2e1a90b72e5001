import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { describeRtsp, openRtsp, RtspError } from "./client.ts";
import { startFaultyLink } from "./link.ts";
import { RtpSequence, rtpSequence, rtpTimestamp } from "./rtp.ts";
import { type RtspServerOptions, startRtspServer } from "./server.ts";
import { microphone, openForTest, until } from "./trials/scripted-camera.ts";

const login = { username: "admin", password: new Secret("correct horse") };

async function serve(t: TestContext, options: Partial<RtspServerOptions> = {}) {
  const clock = options.clock ?? systemClock;
  const { stream, sinks } = microphone(clock);
  const server = await startRtspServer({ clock, streams: (path) => (path === "/mic" ? stream : undefined), ...options });
  t.after(() => server.close());
  return { server, sinks, url: `rtsp://127.0.0.1:${server.port}/mic` };
}

const kind = (kind: string, status?: number) => (error: unknown) =>
  error instanceof RtspError && error.kind === kind && (status === undefined || error.status === status);

test("both tracks arrive, byte for byte and in order, with times and sender reports", async (t) => {
  const { url, sinks } = await serve(t);
  const reports: { track: number; ntpMs: number; rtpTimestamp: number }[] = [];
  const startUs = systemClock.monoUs();
  const { session, packets, arrivals } = await openForTest(t, { url, onSenderReport: (report) => reports.push(report) });
  await until(() => packets.length >= 100);
  assert.deepEqual(
    session.tracks.map((track) => [track.index, track.encoding]),
    [
      [0, "PCMA"],
      [1, "L16"],
    ],
  );
  for (const track of [0, 1]) {
    const own = packets.filter((_, i) => arrivals[i]?.track === track);
    assert.deepEqual(
      own.slice(0, 45).map(rtpSequence),
      Array.from({ length: 45 }, (_, i) => (65_500 + i) & 0xffff),
    );
    assert.deepEqual(
      own.map(rtpTimestamp),
      own.map((_, i) => i * 160),
    );
    assert.ok(own.every((packet, i) => packet.length === 172 && packet[171] === (i & 0xff)));
  }
  const times = arrivals.map((arrival) => arrival.arrivedUs);
  assert.ok(times.every((us, i) => us >= (times[i - 1] ?? startUs) && us <= systemClock.monoUs()));
  assert.deepEqual(
    reports.map(({ track, ntpMs, rtpTimestamp }) => [track, ntpMs, rtpTimestamp]),
    [
      [0, 1e12, 0],
      [1, 1e12, 0],
    ],
  );
  assert.deepEqual([session.counters.senderReports, session.counters.garbageBytes, session.counters.strayFrames], [2, 0, 0]);
  await session.close();
  assert.equal(await session.closed, "closed");
  assert.equal(sinks.size, 0, "TEARDOWN has arrived");
  const { length } = packets;
  await systemClock.sleep(20);
  assert.equal(packets.length, length, "nothing after close");
});

test("only wanted tracks are set up; none wanted is an error", async (t) => {
  const { url } = await serve(t);
  const { session, packets, arrivals } = await openForTest(t, { url, wants: (track) => track.encoding === "L16" });
  await until(() => packets.length > 10);
  assert.deepEqual(
    session.tracks.map((track) => track.index),
    [1],
  );
  assert.ok(arrivals.every((arrival) => arrival.track === 1));
  await assert.rejects(openForTest(t, { url, wants: () => false }), kind("protocol"));
});

test("with the password in, without and with a wrong one refused", async (t) => {
  const { url, server } = await serve(t, { login });
  const { packets } = await openForTest(t, { url, ...login });
  await until(() => packets.length > 0);
  await assert.rejects(openForTest(t, { url }), kind("unauthorized", 401));
  await assert.rejects(openForTest(t, { url, ...login, password: new Secret("wrong") }), kind("unauthorized", 401));
  server.faults.refuseLogin = true;
  await assert.rejects(openForTest(t, { url, ...login }), kind("unauthorized", 401));
});

test("what a device offers can be asked without receiving anything", async (t) => {
  const { url, server, sinks } = await serve(t, { login });
  const asked = { url, clock: systemClock, signal: new AbortController().signal, ...login };
  assert.deepEqual(
    (await describeRtsp(asked)).map((track) => track.encoding),
    ["PCMA", "L16"],
  );
  assert.equal(sinks.size, 0);
  await assert.rejects(describeRtsp({ ...asked, password: new Secret("wrong") }), kind("unauthorized"));
  await assert.rejects(describeRtsp({ ...asked, signal: AbortSignal.abort() }), kind("closed"));
  server.faults.mute = true;
  await assert.rejects(describeRtsp({ ...asked, responseTimeoutMs: 50 }), kind("timeout"));
});

test("every client of a stream gets it, and dropAll ends them all", async (t) => {
  const { url, server, sinks } = await serve(t);
  const clients = await Promise.all([1, 2, 3].map(() => openForTest(t, { url })));
  await until(() => clients.every(({ packets }) => packets.length > 20));
  server.dropAll();
  for (const { session } of clients) assert.match(await session.closed, /^(?:ended|reset)$/);
  await until(() => sinks.size === 0);
});

test("faults of the server", async (t) => {
  await t.test("an address that it doesn't know, a port where nobody listens", async () => {
    const { server } = await serve(t);
    await assert.rejects(openForTest(t, { url: `rtsp://127.0.0.1:${server.port}/other` }), kind("refused", 404));
    await server.close();
    await assert.rejects(openForTest(t, { url: `rtsp://127.0.0.1:${server.port}/mic` }), kind("refused"));
  });
  await t.test("mute, garbage", async () => {
    for (const fault of ["mute", "garbage"] as const) {
      const { url } = await serve(t, { faults: { [fault]: true } });
      await assert.rejects(openForTest(t, { url, responseTimeoutMs: 80 }), kind("timeout"));
    }
  });
  await t.test("dropped in the middle", async () => {
    const { url } = await serve(t, { faults: { dropAfterPackets: 10 } });
    const { session, packets } = await openForTest(t, { url });
    assert.equal(await session.closed, "ended");
    assert.equal(packets.length, 10);
  });
  await t.test("half open", async () => {
    const { url, server } = await serve(t);
    const { session, packets } = await openForTest(t, { url, silenceMs: 60 });
    await until(() => packets.length > 20);
    server.faults.halfOpen = true;
    assert.equal(await session.closed, "silent");
  });
  await t.test("every tenth packet lost", async () => {
    const { url } = await serve(t, { faults: { losePackets: 10 } });
    const { packets } = await openForTest(t, { url, wants: (track) => track.index === 0 });
    await until(() => packets.length >= 50);
    const sequence = new RtpSequence();
    for (const packet of packets.slice(0, 50)) sequence.arrive(rtpSequence(packet));
    assert.equal(sequence.lost, 5);
  });
  await t.test("one byte a write", async () => {
    const { url } = await serve(t, { faults: { slowOneByte: true }, login });
    const { session, packets } = await openForTest(t, { url, ...login });
    await until(() => packets.length >= 20);
    assert.ok(packets.every((packet) => packet.length === 172));
    assert.equal(session.counters.garbageBytes, 0);
  });
});

test("silence is measured by the clock, and only packets break it", async (t) => {
  const clock = new SimulatedClock();
  const { url, server } = await serve(t, { clock });
  const { session, packets } = await openForTest(t, { url, clock });
  await clock.advanceMs(40);
  await until(() => packets.length === 40);
  server.faults.halfOpen = true;
  await clock.advanceMs(4_950);
  assert.equal(await Promise.race([session.closed, systemClock.sleep(20)]), undefined);
  await clock.advanceMs(60);
  assert.equal(await session.closed, "silent");
});

test("the session is kept alive at half its time-out", async (t) => {
  const clock = new SimulatedClock();
  const { url, server, sinks } = await serve(t, { clock, login });
  const { session } = await openForTest(t, { url, clock, silenceMs: 1e9, responseTimeoutMs: 1e6, ...login });
  server.faults.losePackets = 1;
  await clock.advanceMs(29_900);
  assert.equal(session.counters.keepAlives, 0);
  await clock.advanceMs(200);
  assert.equal(session.counters.keepAlives, 1);
  // The nonce has aged by 30 s: close has to log in anew, unasked.
  await session.close();
  assert.deepEqual([await session.closed, sinks.size], ["closed", 0]);
});

test("the signal ends an attempt and a session", async (t) => {
  const muted = await serve(t, { faults: { mute: true } });
  const early = new AbortController();
  const attempt = openForTest(t, { url: muted.url, signal: early.signal });
  early.abort();
  await assert.rejects(attempt, kind("closed"));
  await assert.rejects(openForTest(t, { url: muted.url, signal: early.signal }), kind("closed"));
  const { url } = await serve(t);
  const late = new AbortController();
  const { session } = await openForTest(t, { url, signal: late.signal });
  late.abort();
  assert.equal(await session.closed, "aborted");
});

test("addresses that aren't ours", async () => {
  const base = { wants: () => true, clock: systemClock, signal: new AbortController().signal, onRtp: () => {}, onSenderReport: () => {} };
  for (const url of ["http://127.0.0.1/", "rtsp://a:b@127.0.0.1/", "rtsp:///x", "", "127.0.0.1"])
    await assert.rejects(openRtsp({ ...base, url }), kind("protocol"), url);
});

test("a bad line: slow, in single bytes, late; then cut, then held", async (t) => {
  const { server } = await serve(t);
  const link = await startFaultyLink({ clock: systemClock, port: server.port, faults: { oneByteChunks: true, delayMs: 10 } });
  t.after(() => link.close());
  const url = `rtsp://127.0.0.1:${link.port}/mic`;
  const { session, packets } = await openForTest(t, { url, silenceMs: 100 });
  await until(() => packets.length > 10);
  assert.equal(session.counters.garbageBytes, 0);
  link.faults.hold = true;
  assert.equal(await session.closed, "silent");
  link.faults.hold = false;
  link.cutAll();
  const again = await openForTest(t, { url });
  link.cutAll();
  assert.match(await again.session.closed, /^(?:ended|reset)$/);
});
