import type { Clock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { type RtspFaults, startRtspServer } from "@xiezhi/rtsp/server.ts";
import type { Clip } from "../../sim/clips.ts";
import { LoopedStream } from "../../sim/looped-stream.ts";

export interface SampleDeviceSimOptions {
  clock: Clock;
  clip: Clip;
  login: { username: string; password: string };
  port?: number;
}

export interface SampleDeviceSim {
  url: string;
  /** Switches that may be turned while it runs. */
  faults: RtspFaults;
  close(): Promise<void>;
}

/** The same wire from the other side: an RTSP server on loopback with one looped picture. */
export async function startSampleDeviceSim({ clock, clip, login, port = 0 }: SampleDeviceSimOptions): Promise<SampleDeviceSim> {
  const stream = new LoopedStream([clip], { clock });
  const server = await startRtspServer({
    clock,
    port,
    login: { username: login.username, password: new Secret(login.password) },
    streams: (path) => (path === "/picture" ? stream : undefined),
  });
  return {
    url: `rtsp://127.0.0.1:${server.port}/picture`,
    faults: server.faults,
    async close() {
      stream.close();
      await server.close();
    },
  };
}
