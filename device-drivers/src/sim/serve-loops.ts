import type { Clock } from "@xiezhi/base/clock.ts";
import { type RtspServer, startRtspServer } from "@xiezhi/rtsp/server.ts";
import type { LoopedStream } from "./looped-stream.ts";

/** Serves streams by their paths on one port, without login: what a bench needs of many cameras at once. */
export function serveLoops(streams: ReadonlyMap<string, LoopedStream>, clock: Clock): Promise<RtspServer> {
  return startRtspServer({ clock, streams: (path) => streams.get(path) });
}
