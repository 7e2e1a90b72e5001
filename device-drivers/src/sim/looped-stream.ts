import { randomInt } from "node:crypto";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { packetizeAac, packetizeH264, packetizeSamples } from "@xiezhi/rtsp/packetize.ts";
import { buildSenderReport } from "@xiezhi/rtsp/rtcp.ts";
import { RTP_HEADER_BYTES, type RtpSource } from "@xiezhi/rtsp/rtp.ts";
import type { ServedTrack } from "@xiezhi/rtsp/sdp.ts";
import type { RtspSink, ServedStream } from "@xiezhi/rtsp/server.ts";
import type { Clip, ClipFrame } from "./clips.ts";
import { stampNal } from "./frame-stamp.ts";

/** How often due frames are sent; well under a frame's length, so that arrival times jitter like a real camera's. */
const STEP_MS = 10;
const REPORT_EACH_US = 1e6;
const SLICES = [1, 5];

export interface LoopOptions {
  clock: Clock;
  /** How fast the device's clock runs against ours, parts per million. */
  driftPpm?: number;
  /** Device's civil clock minus ours, milliseconds. */
  clockOffsetMs?: number;
  /** A new viewer first gets what was sent since the last key frame, in a burst, as many cameras do. */
  burst?: boolean;
}

/** What a simulated device sends without end: its clips, one a track, looped, on one timeline for all viewers. */
export class LoopedStream implements ServedStream {
  readonly tracks: ServedTrack[];
  private readonly lanes: Lane[];
  private readonly viewers = new Set<Viewer>();
  private readonly clock: Clock;
  private readonly options: LoopOptions;
  private readonly startUs: number;
  private readonly timer: Timer;
  private reportUs = 0;

  constructor(clips: readonly Clip[], options: LoopOptions) {
    this.clock = options.clock;
    this.options = options;
    this.startUs = options.clock.monoUs();
    this.lanes = clips.map((clip) => new Lane(clip));
    this.tracks = clips.map((clip, index) => ({
      kind: clip.kind,
      encoding: clip.encoding,
      clockRate: clip.clockRate,
      channels: clip.channels,
      payloadType: 96 + index,
      fmtp: clip.fmtp,
    }));
    this.timer = this.clock.every(STEP_MS, () => this.step());
  }

  subscribe(sink: RtspSink): () => void {
    const viewer: Viewer = {
      sink,
      sources: this.tracks.map(({ payloadType }) => newSource(payloadType)),
      sent: this.tracks.map(() => ({ packets: 0, bytes: 0 })),
    };
    this.report(viewer);
    for (const [track, lane] of this.lanes.entries())
      if (this.options.burst ?? true) for (const number of lane.sinceKey()) this.send(viewer, track, number);
    this.viewers.add(viewer);
    return () => this.viewers.delete(viewer);
  }

  /** From its next key frame on this track sends another clip: a camera whose resolution was changed. */
  change(track: number, clip: Clip): void {
    this.lanes[track]!.next = clip;
  }

  /** Number of the frame that a track sends next; what was sent has smaller ones. */
  nextFrame(track: number): number {
    return this.lanes[track]!.nextNumber;
  }

  close(): void {
    this.timer.cancel();
    this.viewers.clear();
  }

  private step(): void {
    const deviceUs = this.deviceUs();
    for (const [track, lane] of this.lanes.entries())
      for (; lane.dueUs() <= deviceUs; lane.advance()) for (const viewer of this.viewers) this.send(viewer, track, lane.nextNumber);
    if (deviceUs < this.reportUs) return;
    this.reportUs = deviceUs + REPORT_EACH_US;
    for (const viewer of this.viewers) this.report(viewer);
  }

  private send(viewer: Viewer, track: number, number: number): void {
    const lane = this.lanes[track]!;
    const { clip, frame, ticks } = lane.at(number);
    const source = viewer.sources[track]!;
    const timestamp = (lane.baseTicks + ticks) >>> 0;
    const packets =
      clip.encoding === "H264"
        ? packetizeH264(stamped(frame, { frame: number, utcMs: this.takenAtMs(ticks, clip.clockRate) }), timestamp, source)
        : clip.encoding === "MPEG4-GENERIC"
          ? [packetizeAac(frame.parts[0]!, timestamp, source)]
          : [packetizeSamples(frame.parts[0]!, timestamp, source)];
    const sent = viewer.sent[track]!;
    for (const packet of packets) {
      sent.packets++;
      sent.bytes += packet.length - RTP_HEADER_BYTES;
      viewer.sink.send(track, packet);
    }
  }

  private report(viewer: Viewer): void {
    for (const [track, lane] of this.lanes.entries()) {
      const { ssrc } = viewer.sources[track]!;
      const { packets, bytes } = viewer.sent[track]!;
      const rtpTimestamp = (lane.baseTicks + Math.round((this.deviceUs() * lane.clip.clockRate) / 1e6)) >>> 0;
      viewer.sink.report(track, buildSenderReport({ ssrc, utcMs: this.deviceUtcMs(), rtpTimestamp, packets, payloadBytes: bytes }));
    }
  }

  /** Time since the stream began as the device counts it. */
  private deviceUs(): number {
    return (this.clock.monoUs() - this.startUs) * (1 + (this.options.driftPpm ?? 0) / 1e6);
  }

  /** The device's civil time of a picture, also of one that is sent later in a burst. */
  private takenAtMs(ticks: number, clockRate: number): number {
    return this.deviceUtcMs() - (this.deviceUs() - (ticks * 1e6) / clockRate) / 1e3;
  }

  private deviceUtcMs(): number {
    return this.clock.nowMs() + (this.options.clockOffsetMs ?? 0);
  }
}

interface Viewer {
  sink: RtspSink;
  sources: RtpSource[];
  sent: { packets: number; bytes: number }[];
}

/** One clip on its way: which frame is next, and when. */
class Lane {
  clip: Clip;
  next: Clip | undefined;
  nextNumber = 0;
  readonly baseTicks = randomInt(2 ** 32);
  private firstNumber = 0;
  private lastKey = 0;

  constructor(clip: Clip) {
    this.clip = clip;
  }

  dueUs(): number {
    return (this.nextNumber * this.clip.frameTicks * 1e6) / this.clip.clockRate;
  }

  advance(): void {
    this.nextNumber++;
    const { frame } = this.at(this.nextNumber);
    if (!frame.key) return;
    if (this.next) {
      this.clip = this.next;
      this.next = undefined;
      this.firstNumber = this.nextNumber;
    }
    this.lastKey = this.nextNumber;
  }

  at(number: number): { clip: Clip; frame: ClipFrame; ticks: number } {
    const { frames, frameTicks } = this.clip;
    return { clip: this.clip, frame: frames[(number - this.firstNumber) % frames.length]!, ticks: number * frameTicks };
  }

  /** Frames that were sent since the last key frame, that one included. */
  sinceKey(): number[] {
    const first = this.clip.kind === "video" ? this.lastKey : this.nextNumber;
    return Array.from({ length: Math.max(0, this.nextNumber - first) }, (_, index) => first + index);
  }
}

function newSource(payloadType: number): RtpSource {
  return { payloadType, ssrc: randomInt(1, 2 ** 32), sequence: randomInt(2 ** 16) };
}

/** The stamp stands after delimiter and parameter sets, before the first slice. */
function stamped(frame: ClipFrame, stamp: { frame: number; utcMs: number }): Buffer[] {
  const at = frame.parts.findIndex((nal) => SLICES.includes(nal[0]! & 0x1f));
  return [...frame.parts.slice(0, at), stampNal(stamp), ...frame.parts.slice(at)];
}
