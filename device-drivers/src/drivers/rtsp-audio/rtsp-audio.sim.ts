import type { Clock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { type RtspFaults, startRtspServer } from "@xiezhi/rtsp/server.ts";
import type { Clip } from "../../sim/clips.ts";
import { LoopedStream } from "../../sim/looped-stream.ts";

export interface RtspAudioSimOptions {
  clock: Clock;
  /** One sound track each, in this order. */
  clips: readonly Clip[];
  login: { username: string; password: string };
  port?: number;
  driftPpm?: number;
}

export interface RtspAudioSim {
  port: number;
  url: string;
  faults: RtspFaults;
  stream: LoopedStream;
  dropAll(): void;
  close(): Promise<void>;
}

/** An encoder behind a mixer, as RTSP shows it. */
export async function startRtspAudioSim({ clock, clips, login, port = 0, driftPpm = 0 }: RtspAudioSimOptions): Promise<RtspAudioSim> {
  const stream = new LoopedStream(clips, { clock, driftPpm });
  const server = await startRtspServer({
    clock,
    port,
    login: { username: login.username, password: new Secret(login.password) },
    streams: (path) => (path === "/microphones" ? stream : undefined),
  });
  return {
    port: server.port,
    url: `rtsp://127.0.0.1:${server.port}/microphones`,
    faults: server.faults,
    stream,
    dropAll: () => server.dropAll(),
    async close() {
      stream.close();
      await server.close();
    },
  };
}
