import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { aacFmtp, packetizeAac, packetizeH264, packetizeSamples } from "../packetize.ts";
import { buildSenderReport } from "../rtcp.ts";
import { RtpSequence, rtpMarker, rtpPayload, rtpPayloadType, rtpSequence } from "../rtp.ts";
import { parameterSets } from "../sdp.ts";
import { type ServedStream, startRtspServer } from "../server.ts";
import { openForTest, until } from "./scripted-camera.ts";

// No other software's RTSP is ours: one misreading of the standard can't hide in both ends.

const run = promisify(execFile);
const login = { username: "admin", password: new Secret("secret") };
const aboutRtp = (track: number, tracks: readonly { track: number }[], packets: readonly Buffer[]) =>
  packets.filter((_, i) => tracks[i]?.track === track);

async function gstServer(t: TestContext, ...words: string[]): Promise<string> {
  const script = new URL("foreign-server.py", import.meta.url).pathname;
  const child: ChildProcess = spawn("/usr/bin/python3", [script, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  assert.ok(child.stdout);
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  return `rtsp://127.0.0.1:${port.toString().trim()}/live`;
}

test("GStreamer's server is received: every packet of three tracks, parameter sets, UTC", async (t) => {
  const url = await gstServer(t);
  const reports = new Map<number, number>();
  const { session, packets, arrivals } = await openForTest(t, {
    url,
    responseTimeoutMs: 10_000,
    onSenderReport: ({ track, ntpMs }) => reports.set(track, ntpMs),
  });
  const brief = session.tracks.map((track) => `${track.kind} ${track.encoding}/${track.clockRate}/${track.channels}`);
  assert.deepEqual(brief, ["video H264/90000/1", "audio PCMA/8000/1", "audio MPEG4-GENERIC/48000/1"]);
  assert.deepEqual(
    parameterSets(session.tracks[0]?.fmtp ?? {}).map((nal) => (nal[0] ?? 0) & 31),
    [7, 8],
  );
  await until(() => reports.size === 3 && [0, 1, 2].every((track) => aboutRtp(track, arrivals, packets).length > 20));
  for (const track of session.tracks) {
    const own = aboutRtp(track.index, arrivals, packets);
    const sequence = new RtpSequence();
    for (const packet of own) assert.equal(sequence.arrive(rtpSequence(packet)), 0);
    assert.ok(own.every((packet) => rtpPayloadType(packet) === track.payloadType && rtpPayload(packet)?.length));
    assert.ok(Math.abs((reports.get(track.index) ?? 0) - systemClock.nowMs()) < 10_000, "sender reports say the time");
  }
  assert.ok(aboutRtp(0, arrivals, packets).filter(rtpMarker).length > 5, "access units end with a marker");
  assert.deepEqual([session.counters.garbageBytes, session.counters.strayFrames], [0, 0]);
  await session.close();
  assert.equal(await session.closed, "closed");
});

test("GStreamer's server lets us in with the password only", async (t) => {
  const url = await gstServer(t, "login");
  const { packets } = await openForTest(t, { url, responseTimeoutMs: 10_000, ...login });
  await until(() => packets.length > 10);
  await assert.rejects(openForTest(t, { url, ...login, password: new Secret("wrong") }), { kind: "unauthorized" });
  await assert.rejects(openForTest(t, { url }), { kind: "unauthorized" });
});

interface Clip {
  accessUnits: Buffer[][];
  aacFrames: Buffer[];
  aacConfig: Buffer;
  videoFile: string;
}

async function makeClip(t: TestContext): Promise<Clip> {
  const folder = await mkdtemp(join(tmpdir(), "xiezhi-rtsp-"));
  t.after(() => rm(folder, { recursive: true }));
  const videoFile = join(folder, "clip.h264");
  const soundFile = join(folder, "clip.aac");
  const picture = "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1";
  const coded = "x264enc key-int-max=25 bframes=0 speed-preset=ultrafast ! video/x-h264,stream-format=byte-stream,alignment=au";
  const sound =
    "audiotestsrc num-buffers=60 wave=ticks ! audio/x-raw,rate=48000,channels=1 ! avenc_aac ! aacparse ! audio/mpeg,stream-format=adts";
  await run(
    "gst-launch-1.0",
    `-q ${picture} ! ${coded} ! filesink location=${videoFile} ${sound} ! filesink location=${soundFile}`.split(" "),
  );
  const aac = adtsFrames(await readFile(soundFile));
  return { accessUnits: accessUnits(await readFile(videoFile)), ...aac, videoFile };
}

function accessUnits(stream: Buffer): Buffer[][] {
  const starts: number[] = [];
  for (let at = stream.indexOf("000001", 0, "hex"); at >= 0; at = stream.indexOf("000001", at + 3, "hex")) starts.push(at + 3);
  const nals = starts.map((start, i) => {
    const next = (starts[i + 1] ?? stream.length + 3) - 3;
    return stream.subarray(start, stream[next - 1] === 0 && next < stream.length ? next - 1 : next);
  });
  const units: Buffer[][] = [];
  for (const nal of nals)
    if (((nal[0] ?? 0) & 31) === 9) units.push([]);
    else units.at(-1)?.push(nal);
  return units;
}

function adtsFrames(stream: Buffer): { aacFrames: Buffer[]; aacConfig: Buffer } {
  const aacFrames: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const bytes = (stream.readUInt32BE(at + 2) >> 5) & 0x1fff;
    aacFrames.push(stream.subarray(at + 7, at + bytes));
    at += bytes;
  }
  const rate = ((stream[2] ?? 0) >> 2) & 15;
  return { aacFrames, aacConfig: Buffer.from([(2 << 3) | (rate >> 1), ((rate & 1) << 7) | (1 << 3)]) };
}

/** Bytes that show where they belong: 20 ms each. */
const alaw = (i: number) => Buffer.from(Array.from({ length: 160 }, (_, at) => (i * 160 + at) & 0xff));
const l16 = (i: number) => Buffer.from(Array.from({ length: 1920 }, (_, at) => (i * 7 + at) & 0xff));

/** Everything that a simulator sends, four times as fast as life: the clip from its first key frame for each client, over and over. */
function clipStream({ accessUnits: units, aacFrames, aacConfig }: Clip): ServedStream {
  const sets = units[0]?.filter((nal) => [7, 8].includes((nal[0] ?? 0) & 31)).map((nal) => nal.toString("base64"));
  return {
    tracks: [
      {
        kind: "video",
        encoding: "H264",
        clockRate: 90_000,
        channels: 1,
        payloadType: 96,
        fmtp: `packetization-mode=1;sprop-parameter-sets=${sets?.join()}`,
      },
      { kind: "audio", encoding: "PCMA", clockRate: 8_000, channels: 1, payloadType: 8, fmtp: "" },
      { kind: "audio", encoding: "MPEG4-GENERIC", clockRate: 48_000, channels: 1, payloadType: 97, fmtp: aacFmtp(aacConfig) },
      { kind: "audio", encoding: "L16", clockRate: 48_000, channels: 1, payloadType: 98, fmtp: "" },
    ],
    subscribe(sink) {
      const sources = [96, 8, 97, 98].map((payloadType) => ({ payloadType, ssrc: payloadType, sequence: 0 }));
      const [video, pcma, aac, pcm] = sources as [(typeof sources)[0], (typeof sources)[0], (typeof sources)[0], (typeof sources)[0]];
      const startMs = systemClock.nowMs();
      let turn = 0;
      const send = () => {
        if (turn % 25 === 0)
          for (const [track, clockRate] of [90_000, 8_000, 48_000, 48_000].entries())
            sink.report(
              track,
              buildSenderReport({
                ssrc: sources[track]?.ssrc ?? 0,
                utcMs: startMs + turn * 40,
                rtpTimestamp: turn * clockRate * 0.04,
                packets: turn,
                payloadBytes: turn,
              }),
            );
        const unit = units[turn % units.length] ?? [];
        for (const packet of packetizeH264(unit, turn * 3_600, video, { aggregate: turn % 2 === 0 })) sink.send(0, packet);
        for (const i of [turn * 2, turn * 2 + 1]) {
          sink.send(1, packetizeSamples(alaw(i), i * 160, pcma));
          sink.send(3, packetizeSamples(l16(i), i * 960, pcm));
          sink.send(2, packetizeAac(aacFrames[i % aacFrames.length] ?? Buffer.alloc(0), i * 1_024, aac));
        }
        turn++;
      };
      const timer = systemClock.every(10, send);
      return () => timer.cancel();
    },
  };
}

test("ffmpeg and GStreamer play what our server sends, bit for bit, with login", async (t) => {
  const clip = await makeClip(t);
  assert.equal(clip.accessUnits.length, 50);
  const stream = clipStream(clip);
  const server = await startRtspServer({ clock: systemClock, login, streams: (path) => (path === "/room/camera1" ? stream : undefined) });
  t.after(() => server.close());
  const at = `127.0.0.1:${server.port}/room/camera1`;
  const ffmpeg = async (...words: string[]) => {
    const input = ["-v", "error", "-analyzeduration", "300000", "-rtsp_transport", "tcp", "-i", `rtsp://admin:secret@${at}`];
    const { stdout, stderr } = await run("ffmpeg", [...input, ...words, "-"], { encoding: "buffer", timeout: 20_000, maxBuffer: 64e6 });
    assert.equal(stderr.toString(), "");
    return stdout;
  };
  const pictures = (text: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith("0,"))
      .map((line) => line.split(",").at(-1));

  await t.test("pictures", async () => {
    const args = ["-map", "0:v", "-fps_mode", "passthrough", "-frames:v", "30", "-f", "framemd5"];
    const local = await run("ffmpeg", ["-v", "error", "-i", clip.videoFile, ...args, "-"]);
    const received = pictures((await ffmpeg(...args)).toString());
    assert.equal(received.length, 30);
    assert.deepEqual(received, pictures(local.stdout));
  });
  await t.test("G.711, L16 and AAC", async () => {
    const bytes = async (index: number, format: string) => ffmpeg("-map", `0:${index}`, "-c", "copy", "-frames:a", "20", "-f", format);
    const expected = (make: (i: number) => Buffer, count: number) => Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
    assert.deepEqual(await bytes(1, "alaw"), expected(alaw, 20));
    assert.deepEqual(await bytes(3, "data"), expected(l16, 20));
    assert.deepEqual(adtsFrames(await bytes(2, "adts")).aacFrames, clip.aacFrames.slice(0, 20));
  });
  await t.test("a wrong password is refused to them, too", async () => {
    await assert.rejects(run("ffprobe", ["-v", "error", "-rtsp_transport", "tcp", `rtsp://admin:wrong@${at}`]), /401 Unauthorized/);
  });
  await t.test("UDP is refused", async () => {
    await assert.rejects(run("ffprobe", ["-v", "error", "-rtsp_transport", "udp", `rtsp://admin:secret@${at}`]));
  });
  await t.test("GStreamer decodes each track", async () => {
    const source = ["rtspsrc", `location=rtsp://${at}`, "user-id=admin", "user-pw=secret", "protocols=tcp", "latency=0", "name=s"];
    for (const decode of [
      "rtph264depay ! avdec_h264",
      "rtppcmadepay ! alawdec",
      "rtpmp4gdepay ! avdec_aac",
      "rtpL16depay ! audioconvert",
    ]) {
      const chain = `s. ! ${decode} ! identity eos-after=15 ! fakesink sync=false`;
      const { stderr } = await run("gst-launch-1.0", ["-q", ...source, ...chain.split(" ")], { timeout: 20_000 });
      assert.doesNotMatch(stderr, /ERROR/, decode);
    }
  });
});
