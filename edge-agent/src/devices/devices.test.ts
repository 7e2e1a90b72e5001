import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { startOnvifCameraSim } from "@xiezhi/drivers/drivers/onvif-camera/onvif-camera.sim.ts";
import { loadTestClip } from "@xiezhi/drivers/sim/clips.ts";
import { Availability, type Device } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { Devices } from "./devices.part.ts";

const login = { username: "xiezhi", password: "not-a-default-1" };

async function startRoom(t: TestContext) {
  const sim = await startOnvifCameraSim({ clock: systemClock, name: "camera", main: await loadTestClip("picture"), login });
  const clock = new SimulatedClock();
  const url = `http://127.0.0.1:${sim.port}/onvif/device_service`;
  const config = { url, ...login, rtspPorts: [sim.rtspPort], timeoutMs: 300 };
  const devices = new Devices({
    clock,
    log: silentLog,
    roomId: "courtroom-1",
    bootId: "boot",
    devices: [{ id: "cam", driver: "onvif-camera", name: "Camera", config, tracks: [] }],
  });
  t.after(async () => {
    await devices.close();
    await sim.close();
  });
  devices.start();
  const until = async (what: (device: Device) => boolean) => {
    while (!what(devices.list()[0]!)) await new Promise((resolve) => setImmediate(resolve));
    return devices.list()[0]!;
  };
  return { sim, clock, devices, until };
}

test("a camera is available once it has answered, and says what it is", { timeout: 10_000 }, async (t) => {
  const { until, devices } = await startRoom(t);
  assert.equal(devices.list()[0]?.state?.availability, Availability.UNKNOWN, "nothing is wished for before the first answer");
  const camera = await until(({ state }) => state?.availability === Availability.AVAILABLE);
  assert.equal(camera.state?.model, "Xiezhi Sim 1080");
  assert.deepEqual(camera.capabilities, ["presets", "keyFrame"]);
  assert.match(devices.medium("cam", "main").source?.url ?? "", /^rtsp:\/\/127\.0\.0\.1:\d+\/main$/);
});

test("a camera that falls silent is unavailable at the next question, with the reason, and comes back by itself", {
  timeout: 10_000,
}, async (t) => {
  const { sim, clock, devices, until } = await startRoom(t);
  const proven = (await until(({ state }) => state?.availability === Availability.AVAILABLE)).state?.provenAtMs;
  sim.faults.mute = true;
  await clock.advanceMs(5_000);
  const silent = await until(({ state }) => state?.availability === Availability.UNAVAILABLE);
  assert.equal(silent.state?.provenAtMs, proven, "what was proven stays proven then");
  assert.match(silent.state?.reason ?? "", /no answer/);
  assert.ok(devices.medium("cam", "main").source, "where its picture was is still known");
  sim.faults.mute = false;
  await clock.advanceMs(5_000);
  assert.equal((await until(({ state }) => state?.availability === Availability.AVAILABLE)).state?.reason, "");
});

test("a wrong login is told as such and no password stands in the state", { timeout: 10_000 }, async (t) => {
  const { sim, clock, until, devices } = await startRoom(t);
  await until(({ state }) => state?.availability === Availability.AVAILABLE);
  sim.faults.refuseLogin = true;
  await clock.advanceMs(5_000);
  const { state } = await until((device) => device.state?.availability === Availability.UNAVAILABLE);
  assert.match(state?.reason ?? "", /refuses the login|not understood/);
  const told = JSON.stringify(devices.list(), (_, value) => (typeof value === "bigint" ? String(value) : value));
  assert.ok(!told.includes(login.password));
});
