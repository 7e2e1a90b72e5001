import { systemClock } from "@xiezhi/base/clock.ts";
import { packetizeH264 } from "@xiezhi/rtsp/packetize.ts";
import { buildSenderReport } from "@xiezhi/rtsp/rtcp.ts";
import type { RtpSource } from "@xiezhi/rtsp/rtp.ts";
import { type RtspServer, startRtspServer } from "@xiezhi/rtsp/server.ts";
import { makeClip, numberSei } from "./rtp/testing.ts";

const CLIP = makeClip({ seconds: 2 });
const FRAME_MS = 40;
const TICKS_PER_MS = 90;

/** For tests: a camera on the real wire, 25 pictures a second, each with its running number in an SEI. */
export interface TestCamera {
  url: string;
  server: RtspServer;
  /** Number of the picture that was made last. */
  readonly made: number;
  close(): Promise<void>;
}

export async function startTestCamera(options: { port?: number } = {}): Promise<TestCamera> {
  const startedUs = systemClock.monoUs();
  const nextOf = () => Math.floor((systemClock.monoUs() - startedUs) / 1e3 / FRAME_MS);
  const server = await startRtspServer({
    clock: systemClock,
    ...(options.port === undefined ? {} : { port: options.port }),
    streams: () => ({
      tracks: [{ kind: "video", encoding: "H264", clockRate: 90_000, channels: 1, payloadType: 96, fmtp: "packetization-mode=1" }],
      subscribe(sink) {
        const source: RtpSource = { payloadType: 96, ssrc: 7, sequence: 100 };
        let next = nextOf();
        const report = () =>
          sink.report(
            0,
            buildSenderReport({
              ssrc: 7,
              utcMs: systemClock.nowMs(),
              rtpTimestamp: (nextOf() * FRAME_MS * TICKS_PER_MS) >>> 0,
              packets: 0,
              payloadBytes: 0,
            }),
          );
        report();
        const timers = [
          systemClock.every(1_000, report),
          systemClock.every(10, () => {
            for (; next <= nextOf(); next++) {
              const [delimiter, ...nals] = CLIP[next % CLIP.length] as Buffer[];
              const unit = [delimiter as Buffer, numberSei(next), ...nals];
              for (const packet of packetizeH264(unit, (next * FRAME_MS * TICKS_PER_MS) >>> 0, source)) sink.send(0, packet);
            }
          }),
        ];
        return () => {
          for (const timer of timers) timer.cancel();
        };
      },
    }),
  });
  return {
    url: `rtsp://127.0.0.1:${server.port}/camera`,
    server,
    get made() {
      return nextOf();
    },
    close: () => server.close(),
  };
}

/** Numbers of the pictures in stored bytes, in their order. */
export function pictureNumbers(bytes: Buffer): number[] {
  const mark = Buffer.alloc(16, 0x58);
  const numbers: number[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 20)) numbers.push(bytes.readUInt32BE(at + 16) - 0x80000000);
  return numbers;
}
