import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { RtspError } from "../client.ts";
import { buildSenderReport } from "../rtcp.ts";
import { frames, interleaved, ONE_TRACK, openForTest, type Script, scriptedCamera, until, withBody } from "./scripted-camera.ts";

const lfOnly = (text: string) => text.replaceAll("\r\n", "\n");
const lowerCase = (text: string) => text.replace(/^[\w-]+:/gm, (name) => name.toLowerCase());
const withoutCseq = (text: string) => text.replace(/^CSeq.*\r\n/m, "");
const session = "Session: 1234;timeout=60\r\n";
const transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const report = interleaved(1, buildSenderReport({ ssrc: 7, utcMs: 1e12, rtpTimestamp: 5, packets: 0, payloadBytes: 0 }));

const everywhere = (change: (text: string) => string): Script => ({
  OPTIONS: ({ answer }) => change(answer()),
  DESCRIBE: ({ answer }) => `${change(answer(`Content-Length: ${ONE_TRACK.length}\r\n\r\n`))}${ONE_TRACK}`,
  SETUP: ({ answer }) => change(answer(`${transport}${session}\r\n`)),
  PLAY: ({ answer }) => Buffer.concat([Buffer.from(change(answer())), frames(3)]),
});

const survived: Record<string, Script> = {
  "lines end with LF alone": everywhere(lfOnly),
  "names in lower case": everywhere(lowerCase),
  "no CSeq in answers": everywhere(withoutCseq),
  "other channels than asked": {
    SETUP: ({ answer }) => answer(`Transport: RTP/AVP/TCP;interleaved=8-9;unicast;ssrc=7\r\n${session}\r\n`),
    PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer()), frames(3, 8)]),
  },
  "one channel named, not two": { SETUP: ({ answer }) => answer(`Transport: RTP/AVP/TCP;unicast;interleaved=0\r\n${session}\r\n`) },
  "no channels named": { SETUP: ({ answer }) => answer(`Transport: RTP/AVP/TCP;unicast\r\n${session}\r\n`) },
  "no Transport in the answer": { SETUP: ({ answer }) => answer(`${session}\r\n`) },
  "RTP on the channel of RTCP": { PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer()), frames(3, 1)]) },
  "packets before the answer to PLAY": { PLAY: ({ answer }) => Buffer.concat([frames(3), Buffer.from(answer())]) },
  "packets before the answer to SETUP": {
    SETUP: ({ answer }) => Buffer.concat([frames(2), Buffer.from(answer(`${transport}${session}\r\n`))]),
  },
  "a provisional answer first": { SETUP: ({ answer }) => `${answer("\r\n", 100)}${answer(`${transport}${session}\r\n`)}` },
  "noise between packets and answers": {
    PLAY: ({ answer }) =>
      Buffer.concat([
        Buffer.from("\x00noise"),
        Buffer.from(answer()),
        frames(3).subarray(0, 176),
        Buffer.from("\r\n##"),
        frames(3).subarray(176),
      ]),
  },
  "a request of its own in between": {
    PLAY: ({ answer }) =>
      Buffer.concat([
        Buffer.from("OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\nREDIRECT * RTSP/1.0\r\nLocation: rtsp://10.9.9.9/\r\n\r\n"),
        Buffer.from(answer()),
        frames(3),
      ]),
  },
  "session identifier with blanks and parameters": {
    SETUP: ({ answer }) => answer(`${transport}Session:  1234 ; timeout = 60 \r\n\r\n`),
    PLAY: ({ text, answer }) =>
      text.includes("\r\nSession: 1234") ? Buffer.concat([Buffer.from(answer()), frames(3)]) : answer("\r\n", 454),
  },
  "only one word for the transport": { SETUP: ({ answer }) => answer(`transport: rtp/avp/tcp;interleaved=0-1\r\n${session}\r\n`) },
};

for (const [name, script] of Object.entries(survived))
  test(`a camera is received: ${name}`, async (t) => {
    const camera = await scriptedCamera(t, script);
    const { packets } = await openForTest(t, { url: camera.url });
    await until(() => packets.length === 3);
    assert.deepEqual(
      packets.map((packet) => [packet.length, packet.at(-1)]),
      [
        [172, 0],
        [172, 1],
        [172, 2],
      ],
    );
  });

test("controls of all kinds lead to the address that the camera means, on the configured host", async (t) => {
  const cases: [base: string, sessionControl: string, control: string, setup: string, play: string][] = [
    ["", "", "trackID=1", "/live/trackID=1", "/live"],
    ["", "*", "*", "/live", "/live"],
    ["", "", "", "/live", "/live"],
    ["rtsp://HOST/base/", "*", "track1", "/base/track1", "/base/"],
    ["rtsp://HOST/base?x=1&y=2", "", "track1", "/base?x=1&y=2/track1", "/base?x=1&y=2"],
    ["rtsp://10.255.255.1:9/inner/", "", "track1", "/inner/track1", "/inner/"],
    ["rtsp://user:pw@10.255.255.1/", "", "rtsp://10.255.255.1/deep/track1?a", "/deep/track1?a", "/"],
    ["rtsp://HOST/base/", "rtsp://10.255.255.1/all", "track1", "/all/track1", "/all"],
    ["/path/", "", "/abs", "/abs", "/path/"],
    ["", "", "a b\tü", "/live/a%20b%09%c3%bc", "/live"],
  ];
  for (const [base, sessionControl, control, setup, play] of cases) {
    const body = `v=0\r\na=control:${sessionControl}\r\nm=audio 0 RTP/AVP 8\r\na=control:${control}\r\n`;
    const camera = await scriptedCamera(t, {
      DESCRIBE: ({ answer }) => {
        const named = base === "" ? "" : `Content-Base: ${base.replace("HOST", `127.0.0.1:${camera.port}`)}\r\n`;
        return Buffer.from(answer(`${named}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`));
      },
    });
    const { session } = await openForTest(t, { url: camera.url });
    await session.close();
    const addresses = camera.requests.filter(({ method }) => method === "SETUP" || method === "PLAY").map(({ uri }) => uri);
    assert.deepEqual(
      addresses,
      [setup, play].map((path) => `rtsp://127.0.0.1:${camera.port}${path}`),
    );
  }
});

test("no other host is contacted, whatever the camera names", async (t) => {
  let contacts = 0;
  const elsewhere = createServer(() => contacts++);
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  t.after(() => elsewhere.close());
  const address = `rtsp://127.0.0.1:${(elsewhere.address() as { port: number }).port}/x`;
  const body = ONE_TRACK.replace("trackID=1", address);
  const camera = await scriptedCamera(t, {
    DESCRIBE: ({ answer }) => answer(withBody(body, `Content-Base: ${address}/\r\nLocation: ${address}\r\n`)),
    PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer(`RTP-Info: url=${address};seq=1\r\n\r\n`)), frames(3)]),
  });
  const { packets } = await openForTest(t, { url: camera.url });
  await until(() => packets.length === 3);
  const redirecting = await scriptedCamera(t, { DESCRIBE: ({ answer }) => answer(`Location: ${address}\r\n\r\n`, 302) });
  await assert.rejects(openForTest(t, { url: redirecting.url }), { kind: "protocol", status: 302 });
  assert.equal(contacts, 0);
});

test("refusals keep their kind and status", async (t) => {
  const cases: [method: string, status: number, kind: string][] = [
    ["DESCRIBE", 404, "refused"],
    ["SETUP", 453, "refused"],
    ["PLAY", 503, "refused"],
    ["OPTIONS", 403, "unauthorized"],
    ["SETUP", 461, "protocol"],
  ];
  for (const [method, status, kind] of cases) {
    const camera = await scriptedCamera(t, { [method]: ({ answer }) => answer("\r\n", status) });
    await assert.rejects(
      openForTest(t, { url: camera.url }),
      (error) => error instanceof RtspError && error.kind === kind && error.status === status,
    );
  }
});

test("answers that can't be used end the attempt as protocol", async (t) => {
  const scripts: Record<string, Script> = {
    "no tracks": { DESCRIBE: ({ answer }) => answer(withBody("v=0\r\n")) },
    "no description": { DESCRIBE: ({ answer }) => answer() },
    UDP: { SETUP: ({ answer }) => answer(`Transport: RTP/AVP;unicast;client_port=1-2\r\n${session}\r\n`) },
    "session without identifier": { SETUP: ({ answer }) => answer(`${transport}Session: ;timeout=60\r\n\r\n`) },
    "body without number": { DESCRIBE: ({ answer }) => answer("Content-Length: many\r\n\r\n") },
  };
  for (const [name, script] of Object.entries(scripts)) {
    const camera = await scriptedCamera(t, script);
    await assert.rejects(openForTest(t, { url: camera.url }), { name: "RtspError", kind: "protocol" }, name);
  }
});

test("a wrong password is tried once: cameras lock accounts", async (t) => {
  const challenge = 'WWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: Digest realm="x", nonce="n", algorithm=MD5\r\n\r\n';
  const camera = await scriptedCamera(t, { DESCRIBE: ({ answer }) => answer(challenge, 401) });
  const login = { username: "admin", password: new Secret("guess") };
  await assert.rejects(openForTest(t, { url: camera.url, ...login }), { kind: "unauthorized" });
  const described = camera.requests.filter(({ method }) => method === "DESCRIBE").map(({ text }) => /Authorization: (\w+)/.exec(text)?.[1]);
  assert.deepEqual(described, [undefined, "Digest"]);
  await assert.rejects(openForTest(t, { url: camera.url }), { kind: "unauthorized" });
});

test("a camera that only knows Basic is told nothing", async (t) => {
  const camera = await scriptedCamera(t, { DESCRIBE: ({ answer }) => answer('WWW-Authenticate: Basic realm="x"\r\n\r\n', 401) });
  await assert.rejects(openForTest(t, { url: camera.url, username: "admin", password: new Secret("p") }), { kind: "unauthorized" });
  assert.ok(camera.requests.every(({ text }) => !text.includes("Authorization")));
});

test("sender reports are heard on a channel that nobody announced, by their source", async (t) => {
  const camera = await scriptedCamera(t, {
    PLAY: ({ answer }) => {
      const stray = Buffer.from(report);
      stray[1] = 5;
      return Buffer.concat([Buffer.from(answer()), frames(1), stray, report, interleaved(5, Buffer.from("80c8000000000000", "hex"))]);
    },
  });
  const times: number[] = [];
  const { session } = await openForTest(t, { url: camera.url, onSenderReport: ({ ntpMs }) => times.push(ntpMs) });
  await until(() => session.counters.strayFrames === 1);
  assert.deepEqual(times, [1e12, 1e12]);
});

test("noise is told at once, and counted", async (t) => {
  const camera = await scriptedCamera(t, {
    PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer()), frames(1), Buffer.alloc(9), frames(2)]),
  });
  const seen: string[] = [];
  const { session } = await openForTest(t, { url: camera.url, onRtp: () => seen.push("packet"), onNoise: () => seen.push("noise") });
  await until(() => seen.length === 4);
  assert.deepEqual(seen, ["packet", "noise", "packet", "packet"]);
  assert.equal(session.counters.garbageBytes, 9);
});

test("a camera that says goodbye has ended", async (t) => {
  const camera = await scriptedCamera(t, {
    PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer()), frames(1), interleaved(1, Buffer.from("81cb000100000007", "hex"))]),
  });
  const { session } = await openForTest(t, { url: camera.url });
  assert.equal(await session.closed, "bye");
});

test("a method for keeping alive that the camera refuses is replaced; a session that it forgot has ended", async (t) => {
  const clock = new SimulatedClock();
  let status = 200;
  const camera = await scriptedCamera(t, {
    GET_PARAMETER: ({ answer }) => answer("\r\n", 501),
    OPTIONS: ({ answer }) => answer("Public: GET_PARAMETER\r\n\r\n", status),
  });
  const { session } = await openForTest(t, { url: camera.url, clock, silenceMs: 1e9 });
  await clock.advanceMs(30_000);
  await until(() => camera.requests.length === 6);
  assert.deepEqual(camera.methods(), ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "OPTIONS"]);
  // Without an answer, too, nothing ends while packets come.
  status = 454;
  await systemClock.sleep(20);
  await clock.advanceMs(30_000);
  assert.equal(await session.closed, "session-lost");
});
