import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { DeviceError, type OpenDevice } from "./driver.ts";
import { startOnvifCameraSim } from "./drivers/onvif-camera/onvif-camera.sim.ts";
import { startRtspAudioSim } from "./drivers/rtsp-audio/rtsp-audio.sim.ts";
import { driverOf, drivers } from "./registry.ts";
import { loadTestClip } from "./sim/clips.ts";

const login = { username: "xiezhi", password: "not-a-default-1" };

interface Stand {
  config: Record<string, unknown>;
  /** Turns one fault on. */
  fault(name: "mute" | "refuseLogin" | "garbage"): void;
  close(): Promise<void>;
}

/** How each driver's simulator is stood up; a driver without one does not pass. */
const stands: Record<string, () => Promise<Stand>> = {
  "onvif-camera": async () => {
    const clip = await loadTestClip("picture");
    const sim = await startOnvifCameraSim({ clock: systemClock, name: "camera", main: clip, small: clip, login });
    const url = `http://127.0.0.1:${sim.port}/onvif/device_service`;
    return {
      config: { url, ...login, rtspPorts: [sim.rtspPort], timeoutMs: 300 },
      fault: (name) => Object.assign(sim.faults, { [name]: true }),
      close: () => sim.close(),
    };
  },
  "rtsp-audio": async () => {
    const sim = await startRtspAudioSim({ clock: systemClock, clips: [await loadTestClip("aac"), await loadTestClip("pcma")], login });
    return {
      config: { url: sim.url, ...login, timeoutMs: 300 },
      fault: (name) => Object.assign(sim.faults, { [name]: true }),
      close: () => sim.close(),
    };
  },
};

async function open(id: string, stand: Stand): Promise<OpenDevice> {
  const driver = driverOf(id);
  return driver.open(readConfig(driver.config, stand.config, id), { clock: systemClock, signal: AbortSignal.timeout(5_000) });
}

for (const { id, capabilities } of drivers) {
  test(`${id}: what it declares it has, and nothing else; probing proves it; closing leaves nothing`, async (t) => {
    const stand = await stands[id]!();
    t.after(() => stand.close());
    const device = await open(id, stand);
    assert.deepEqual(Object.keys(device.controls).sort(), [...capabilities].sort());
    assert.ok(
      device.media.some((source) => source.role === "evidence"),
      "it gives something to record",
    );
    for (const { url } of device.media)
      assert.ok(!url.includes(login.password) && new URL(url).username === "", "an address holds no secret");
    assert.ok((await device.probe()).model);
    await device.close();
  });

  for (const [name, kinds] of [
    ["mute", ["away"]],
    ["refuseLogin", ["refused"]],
    // Bytes that are no answer are passed over until one comes (RTSP) or are one that says nothing (SOAP).
    ["garbage", ["protocol", "away"]],
  ] as const)
    test(`${id}: ${name} is told as ${kinds.join(" or ")}, without a secret in the words`, async (t) => {
      const stand = await stands[id]!();
      t.after(() => stand.close());
      stand.fault(name);
      await assert.rejects(open(id, stand), (error) => {
        assert.ok(error instanceof DeviceError, String(error));
        assert.ok(
          kinds.some((kind) => kind === error.kind),
          error.message,
        );
        assert.ok(!error.message.includes(login.password));
        return true;
      });
    });

  test(`${id}: unplugged, it is away and the process lives`, async (t) => {
    const stand = await stands[id]!();
    const device = await open(id, stand);
    t.after(() => device.close());
    await stand.close();
    await assert.rejects(device.probe(), (error) => error instanceof DeviceError && error.kind === "away");
  });

  test(`${id}: configuration with a wrong key is refused by name`, async () => {
    const driver = driverOf(id);
    assert.throws(() => readConfig(driver.config, { url: "http://127.0.0.1/", ...login, pasword: "x" }, id), /pasword/);
  });
}
