import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { packetizeH264, packetizeSamples } from "@xiezhi/rtsp/packetize.ts";
import { buildSenderReport } from "@xiezhi/rtsp/rtcp.ts";
import type { RtpSource } from "@xiezhi/rtsp/rtp.ts";
import { type RtspServer, startRtspServer } from "@xiezhi/rtsp/server.ts";
import { type GapLine, journalLines, type ParcelLine } from "../spool/journal.ts";
import { makeClip, numberSei } from "./rtp/testing.ts";

const FRAME_MS = 40;
const TICKS_PER_MS = 90;
export const PICTURES_PER_KEY = 25;

/** For tests: a camera on the real wire, 25 pictures a second, a key frame each second, each with its running number in an SEI. */
export interface TestCamera {
  url: string;
  server: RtspServer;
  /** It knows no such stream: nobody can connect. */
  absent: boolean;
  /** From this picture on, which should be a key frame's, its pictures are twice as wide. */
  wideFrom: number;
  /** Number of the picture that is made now. */
  made(): number;
  close(): Promise<void>;
}

export async function startTestCamera(): Promise<TestCamera> {
  const clip = makeClip({ seconds: 2 });
  const wide = makeClip({ seconds: 2, width: 640 });
  const startedUs = clock.monoUs();
  const made = () => Math.floor((clock.monoUs() - startedUs) / 1e3 / FRAME_MS);
  const timestampOf = (number: number) => (number * FRAME_MS * TICKS_PER_MS) >>> 0;
  const server = await startRtspServer({
    clock,
    streams: () =>
      camera.absent
        ? undefined
        : {
            tracks: [{ kind: "video", encoding: "H264", clockRate: 90_000, channels: 1, payloadType: 96, fmtp: "packetization-mode=1" }],
            subscribe(sink) {
              const source: RtpSource = { payloadType: 96, ssrc: 7, sequence: 100 };
              // Never with a key frame first: whoever connects has to wait for one.
              let next = made() % PICTURES_PER_KEY === 0 ? made() + 1 : made();
              const report = () => {
                const utcMs = clock.nowMs() - ((clock.monoUs() - startedUs) / 1e3 - next * FRAME_MS);
                sink.report(0, buildSenderReport({ ssrc: 7, utcMs, rtpTimestamp: timestampOf(next), packets: 0, payloadBytes: 0 }));
              };
              const send = () => {
                for (; next <= made(); next++) {
                  const pictures = next < camera.wideFrom ? clip : wide;
                  const [delimiter, ...nals] = pictures[next % pictures.length] as Buffer[];
                  for (const packet of packetizeH264([delimiter as Buffer, numberSei(next), ...nals], timestampOf(next), source))
                    sink.send(0, packet);
                }
              };
              report();
              const timers = [clock.every(1_000, report), clock.every(10, send)];
              return () => {
                for (const timer of timers) timer.cancel();
              };
            },
          },
  });
  const url = `rtsp://127.0.0.1:${server.port}/camera`;
  const camera: TestCamera = { url, server, absent: false, wideFrom: Number.POSITIVE_INFINITY, made, close: () => server.close() };
  return camera;
}

/** For tests: a microphone that gives G.711 with a steady tone, in packets of 20 ms. */
export async function startTestMicrophone(): Promise<{ url: string; close(): Promise<void> }> {
  const packetSamples = 160;
  const startedUs = clock.monoUs();
  const server = await startRtspServer({
    clock,
    streams: () => ({
      tracks: [{ kind: "audio", encoding: "PCMA", clockRate: 8_000, channels: 1, payloadType: 8, fmtp: "" }],
      subscribe(sink) {
        const source: RtpSource = { payloadType: 8, ssrc: 9, sequence: 1 };
        const due = () => Math.floor((clock.monoUs() - startedUs) / 20e3);
        let next = due();
        const timer = clock.every(10, () => {
          for (; next < due(); next++) sink.send(0, packetizeSamples(TONE, (next * packetSamples) >>> 0, source));
        });
        return () => timer.cancel();
      },
    }),
  });
  return { url: `rtsp://127.0.0.1:${server.port}/microphone`, close: () => server.close() };
}

/** A-law of a square wave of 400 Hz at a quarter of full scale (G.711: the largest step of its segment, both signs). */
const TONE = Buffer.from(Array.from({ length: 160 }, (_, sample) => (sample % 20 < 10 ? 0xb5 : 0x35)));

/** Numbers of the pictures in stored bytes, in their order. */
function pictureNumbers(bytes: Buffer): number[] {
  const mark = Buffer.alloc(16, 0x58);
  const numbers: number[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 20)) numbers.push(bytes.readUInt32BE(at + 16) - 0x80000000);
  return numbers;
}

export interface StoredTrack {
  parcels: ParcelLine[];
  gaps: GapLine[];
  stretches: number;
  /** Of all pictures in parcels, in the journal's order. */
  numbers: number[];
  /** Pictures that are in files and in no parcel. */
  strays: number;
}

/** What a take's folder holds of one track. Throws when a parcel's bytes are not those that the journal names. */
export function storedTrack(folder: string, track: { id: string; number: number }): StoredTrack {
  const lines = readdirSync(join(folder, "journal")).flatMap((name) => [...journalLines(join(folder, "journal", name))]);
  const parcels = lines.flatMap((line) => ("parcel" in line && line.parcel.track === track.number ? [line.parcel] : []));
  const gaps = lines.flatMap((line) => ("gap" in line && line.gap.track === track.number ? [line.gap] : []));
  const stretches = lines.filter((line) => "stretch" in line && line.stretch.track === track.number).length;
  const tracks = join(folder, "tracks", track.id);
  const files = existsSync(tracks) ? readdirSync(tracks).filter((name) => name.endsWith(".m4s")) : [];
  const all = files.flatMap((name) => pictureNumbers(readFileSync(join(tracks, name))));
  const numbers = parcels.flatMap(({ segment, offsetInSegment, bytes, digest }) => {
    const held = readFileSync(join(tracks, `${String(segment).padStart(6, "0")}.m4s`)).subarray(offsetInSegment, offsetInSegment + bytes);
    if (createHash("sha256").update(held).digest("hex") !== digest) throw new Error("a parcel's bytes are not its own");
    return pictureNumbers(held);
  });
  return { parcels, gaps, stretches, numbers, strays: all.length - numbers.length };
}

/** Holes in running numbers: [last before, first after]. */
export function holesIn(numbers: readonly number[]): [number, number][] {
  return numbers.slice(1).flatMap((number, index): [number, number][] => {
    const before = numbers[index] as number;
    return number === before + 1 ? [] : [[before, number]];
  });
}

/** Looks every 20 ms until there is something to see; rejects after 10 s. */
export async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (const endUs = clock.monoUs() + 10e6; clock.monoUs() < endUs; await clock.sleep(20)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error("it did not come within 10 s");
}
