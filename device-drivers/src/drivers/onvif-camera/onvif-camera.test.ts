import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { openRtsp } from "@xiezhi/rtsp/client.ts";
import { rtpPayload } from "@xiezhi/rtsp/rtp.ts";
import type { OpenDevice } from "../../driver.ts";
import { loadTestClip } from "../../sim/clips.ts";
import { conforms, standLogin as login } from "../../sim/conforms.ts";
import { readStamp } from "../../sim/frame-stamp.ts";
import { onvifCamera } from "./onvif-camera.driver.ts";
import { type OnvifCameraSim, startOnvifCameraSim } from "./onvif-camera.sim.ts";

const run = promisify(execFile);

async function standCamera(): Promise<OnvifCameraSim> {
  const clip = await loadTestClip("picture");
  return startOnvifCameraSim({ clock: systemClock, name: "法官 <judge>", main: clip, small: clip, login });
}

async function startCamera(t: TestContext): Promise<OnvifCameraSim> {
  const sim = await standCamera();
  t.after(() => sim.close());
  return sim;
}

conforms(onvifCamera, async () => {
  const sim = await standCamera();
  const url = `http://127.0.0.1:${sim.port}/onvif/device_service`;
  return {
    config: { url, ...login, rtspPorts: [sim.rtspPort], timeoutMs: 300 },
    fault: (name) => Object.assign(sim.faults, { [name]: true }),
    close: () => sim.close(),
  };
});

async function open(t: TestContext, sim: { port: number; rtspPort: number }, changes: Record<string, unknown> = {}): Promise<OpenDevice> {
  const raw = {
    url: `http://127.0.0.1:${sim.port}/onvif/device_service`,
    ...login,
    rtspPorts: [sim.rtspPort],
    timeoutMs: 1_000,
    ...changes,
  };
  const device = await onvifCamera.open(readConfig(onvifCamera.config, raw, "camera"), {
    clock: systemClock,
    signal: AbortSignal.timeout(8_000),
  });
  t.after(() => device.close());
  return device;
}

test("a camera whose clock is an hour ahead is signed in to, and its offset is told", async (t) => {
  const sim = await startCamera(t);
  sim.faults.clockOffsetMs = 3_600_000;
  const { facts } = await open(t, sim);
  assert.ok(Math.abs((facts.clockOffsetMs ?? 0) - 3_600_000) < 1_000, `${facts.clockOffsetMs}`);
});

test("presets are listed and recalled; one that the camera does not have is refused", async (t) => {
  const sim = await startCamera(t);
  const { facts, controls } = await open(t, sim);
  assert.deepEqual(
    facts.presets?.map(({ token }) => token),
    ["1", "2", "3"],
  );
  await controls.presets?.recall("3");
  assert.equal(sim.turnedTo.at(-1), "3");
  await assert.rejects(controls.presets?.recall("</PresetToken><x>") ?? Promise.resolve());
  assert.equal(sim.turnedTo.at(-1), "3");
});

test("the stream is fetched from the configured host, whatever the camera names, and only from a permitted port", async (t) => {
  const sim = await startCamera(t);
  sim.faults.streamHost = "192.0.2.1:80";
  const { media } = await open(t, sim);
  assert.deepEqual(
    media.map(({ url }) => new URL(url).hostname),
    ["127.0.0.1", "127.0.0.1"],
  );
  await assert.rejects(open(t, sim, { rtspPorts: [554] }), /permitted are 554/);
});

test("a name with markup, control characters and 10,000 letters is cut to plain text", async (t) => {
  const sim = await startCamera(t);
  sim.faults.model = `<script>alert("1")</script>\u0007../../${"x".repeat(10_000)}`;
  const { facts } = await open(t, sim);
  assert.equal(facts.model?.length, 100);
  assert.doesNotMatch(facts.model ?? "", /\p{Cc}/u);
});

test("an answer of 100 MiB ends the attempt, not the process", async (t) => {
  const piece = Buffer.alloc(1024 * 1024, "<a>");
  let sent = 0;
  const server = createServer((_, response) => {
    const more = () => {
      while (sent < 100 && !response.destroyed) {
        sent++;
        if (!response.write(piece)) return response.once("drain", more);
      }
      response.end();
    };
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  await assert.rejects(open(t, { port: (server.address() as AddressInfo).port, rtspPort: 1 }), /no answer/);
  assert.ok(sent < 20, `${sent} MiB were taken`);
});

test("each frame carries its running number, without a hole", async (t) => {
  const sim = await startCamera(t);
  const { media } = await open(t, sim);
  const frames: number[] = [];
  const enough = Promise.withResolvers<void>();
  const session = await openRtsp({
    url: media[0]!.url,
    username: login.username,
    password: new Secret(login.password),
    wants: () => true,
    clock: systemClock,
    signal: AbortSignal.timeout(8_000),
    onRtp: ({ packet }) => {
      const stamp = readStamp(rtpPayload(packet) ?? Buffer.alloc(1));
      if (stamp) frames.push(stamp.frame);
      if (frames.length === 30) enough.resolve();
    },
    onSenderReport: () => {},
  });
  await enough.promise;
  await session.close();
  assert.deepEqual(
    frames,
    Array.from(frames, (_, index) => frames[0]! + index),
  );
});

test("libonvif reads it and moves it", async (t) => {
  const sim = await startCamera(t);
  const folder = await mkdtemp(join(tmpdir(), "xiezhi-libonvif-"));
  t.after(() => rm(folder, { recursive: true }));
  const client = join(folder, "client");
  await run("gcc", ["-o", client, fileURLToPath(new URL("../../sim/libonvif-client.c", import.meta.url)), "-lonvif"]);
  const asking = run(client, [`http://127.0.0.1:${sim.port}/onvif/device_service`, login.username], { timeout: 10_000 });
  asking.child.stdin?.end(`${login.password}\n`);
  const { stdout } = await asking;
  assert.equal(stdout.trim(), `main 320x180 rtsp://127.0.0.1:${sim.rtspPort}/main`);
  assert.equal(sim.turnedTo.at(-1), "2");
});

test("ffprobe reads its picture", async (t) => {
  const sim = await startCamera(t);
  const shown = ["-show_entries", "stream=codec_name,profile,width,height", "-of", "json"];
  const address = `rtsp://${login.username}:${login.password}@127.0.0.1:${sim.rtspPort}/main`;
  const { stdout } = await run("ffprobe", ["-v", "error", "-rtsp_transport", "tcp", ...shown, address], { timeout: 15_000 });
  assert.deepEqual(JSON.parse(stdout).streams, [{ codec_name: "h264", profile: "High", width: 320, height: 180 }]);
});
