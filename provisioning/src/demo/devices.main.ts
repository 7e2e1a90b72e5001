/** The demo's devices of one room: a process of its own, as real devices stand outside the agent. Its plan is a file, since it holds logins. */
import { readFile } from "node:fs/promises";
import { systemClock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { startOnvifCameraSim } from "@xiezhi/drivers/drivers/onvif-camera/onvif-camera.sim.ts";
import { startRtspAudioSim } from "@xiezhi/drivers/drivers/rtsp-audio/rtsp-audio.sim.ts";
import { type Clip, loadClip, pairChannels } from "@xiezhi/drivers/sim/clips.ts";

export interface DevicesPlan {
  clips: string;
  login: { username: string; password: string };
  cameras: { name: string; clip: string; port: number; rtspPort: number }[];
  encoders: { encoding: string; clips: string[]; port: number }[];
}

const file = process.argv[2];
if (file === undefined) throw new Error("usage: devices.main.ts PLAN.json");
const { clips, login, cameras, encoders } = JSON.parse(await readFile(file, "utf8")) as DevicesPlan;
const log = createLog("demo-devices");
const shutdown = new Shutdown(log);
shutdown.onSignals();

const clock = systemClock;
for (const { name, clip, port, rtspPort } of cameras) {
  const [main, small] = await Promise.all([loadClip(clips, `${clip}-main`), loadClip(clips, `${clip}-small`)]);
  const sim = await startOnvifCameraSim({ clock, name, main, small, login, port, rtspPort });
  shutdown.add(name, () => sim.close());
}
for (const { encoding, clips: names, port } of encoders) {
  const loaded = await Promise.all(names.map((name) => loadClip(clips, `${name}-${encoding}`)));
  const sim = await startRtspAudioSim({ clock, clips: encoding === "l16" ? pairs(loaded) : loaded, login, port });
  shutdown.add(`encoder on ${port}`, () => sim.close());
}

function pairs([left, right, ...others]: Clip[]): Clip[] {
  if (!left || !right) return left ? [left] : [];
  return [pairChannels(left, right), ...pairs(others)];
}
