import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { Availability, type Device } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { login, openCameraRoom } from "./camera-room.sim.ts";

async function startRoom(t: TestContext) {
  const clock = new SimulatedClock();
  const { sim, devices } = await openCameraRoom(t, clock);
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
