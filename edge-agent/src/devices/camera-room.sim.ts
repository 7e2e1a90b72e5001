import type { TestContext } from "node:test";
import { type Clock, systemClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { startOnvifCameraSim } from "@xiezhi/drivers/drivers/onvif-camera/onvif-camera.sim.ts";
import { loadTestClip } from "@xiezhi/drivers/sim/clips.ts";
import { Devices } from "./devices.part.ts";

export const login = { username: "xiezhi", password: "not-a-default-1" };

/** The devices of a room with one simulated camera, `cam`, not started yet; both end with the test. */
export async function openCameraRoom(t: TestContext, clock: Clock, { timeoutMs = 300 } = {}) {
  const sim = await startOnvifCameraSim({ clock: systemClock, name: "camera", main: await loadTestClip("picture"), login });
  const config = { url: `http://127.0.0.1:${sim.port}/onvif/device_service`, ...login, rtspPorts: [sim.rtspPort], timeoutMs };
  const device = { id: "cam", driver: "onvif-camera", name: "Camera", config, tracks: [] };
  const devices = new Devices({ clock, log: silentLog, roomId: "courtroom-1", bootId: "boot", devices: [device] });
  t.after(async () => {
    await devices.close();
    await sim.close();
  });
  return { sim, devices };
}
