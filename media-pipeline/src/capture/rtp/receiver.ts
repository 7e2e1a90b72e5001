import type { RtpArrival, SenderReportArrival } from "@xiezhi/rtsp/client.ts";
import { isRtp, RtpSequence, rtpMarker, rtpPayload, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "@xiezhi/rtsp/rtp.ts";
import { parameterSets, type RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import { TakeTime } from "../take-time.ts";
import type { AccessUnit, FrameUnit, SampleUnit, SoundFormat } from "../unit.ts";
import { AacDepacketizer, aacFormat, framesOf, isEvidenceSound } from "./aac.ts";
import { BurstHold } from "./burst-hold.ts";
import { H264Depacketizer, type UntimedUnit } from "./h264.ts";
import { SampleDepacketizer, sampleReader, type UntimedSamples } from "./pcm.ts";

/** One track of a room, out of one track of an RTSP session. */
export interface ReceivedTrack {
  number: number;
  /** As the session describes it; `info.index` is what arrivals name. */
  info: RtspTrackInfo;
  /** Which channel of the samples, from 0; absent: all of them mixed down. */
  channel?: number;
}

interface ReceiverOptions {
  tracks: readonly ReceivedTrack[];
  /** Ready to be stored: what `receives` calls passed. */
  onUnit(number: number, unit: AccessUnit): void;
  /** To be encoded first: what `receives` calls encoded. */
  onSound(number: number, unit: SampleUnit | FrameUnit): void;
}

/** Can this track be received, and must it be encoded? Pictures are stored as they come; so is sound that is AAC-LC mono 48 kHz. */
export function receives(info: RtspTrackInfo, channel = 0): "passed" | "encoded" | "no" {
  if (info.encoding === "H264" && info.kind === "video") return "passed";
  const aac = soundFormat(info);
  const channels = aac?.channels ?? (sampleReader(info) ? info.channels : 0);
  if (channel >= channels) return "no";
  return aac && isEvidenceSound(aac) ? "passed" : "encoded";
}

/** What a track's AAC is; undefined for all that is none. */
export function soundFormat(info: RtspTrackInfo): SoundFormat | undefined {
  return info.encoding === "MPEG4-GENERIC" ? aacFormat(info) : undefined;
}

interface Depacketizer {
  push(payload: Buffer, ticks: number, marker: boolean, missing: number, arrivedUs: number): void;
  reset(): void;
}

/** One track of the session: what its packets have in common. */
interface Line {
  info: RtspTrackInfo;
  depacketizer: Depacketizer;
  time: TakeTime;
  sequence: RtpSequence;
  ssrc?: number;
  /** Unwrapped, of the newest packet. */
  ticks?: number;
  /** The source began anew (another SSRC) since the unit before. */
  restarted: boolean;
  report?: { sourceTicks: number; utcUs: number };
}

/** What the session's clock adds to a unit. */
interface Placed {
  timeUs: number;
  discontinuity: boolean;
}

/**
 * Makes access units with times out of what one RTSP session brings: one for each connection. The units of the first
 * quarter of a second (at most 2 s) are held back until the burst with which many cameras begin is over and their times are
 * known. Packets of other payload types than the described one are left out. Nothing from outside makes it throw.
 */
export class Receiver {
  private readonly lines = new Map<number, Line>();
  private readonly times: TakeTime[] = [];
  private readonly hold: BurstHold;
  private readonly options: ReceiverOptions;

  constructor(options: ReceiverOptions) {
    this.options = options;
    this.hold = new BurstHold(() => this.settle());
    for (const { info } of options.tracks) if (!this.lines.has(info.index)) this.addLine(info);
  }

  rtp({ track, packet, arrivedUs }: Readonly<RtpArrival>): void {
    const line = this.lines.get(track);
    if (!line || !isRtp(packet) || rtpPayloadType(packet) !== line.info.payloadType) return;
    const payload = rtpPayload(packet);
    if (!payload) return;
    if (rtpSsrc(packet) !== line.ssrc) this.beginSource(line, rtpSsrc(packet));
    const missing = line.sequence.arrive(rtpSequence(packet));
    if (missing < 0) return;
    const ticks = unwrapped(rtpTimestamp(packet), line.ticks);
    if (ticks !== line.ticks) this.observe(line, ticks, arrivedUs);
    line.depacketizer.push(payload, ticks, rtpMarker(packet), missing, arrivedUs);
  }

  report({ track, ntpMs, rtpTimestamp: timestamp }: SenderReportArrival): void {
    const line = this.lines.get(track);
    if (!line) return;
    line.ticks ??= timestamp;
    const sourceTicks = unwrapped(timestamp, line.ticks);
    line.report = { sourceTicks, utcUs: Math.round(ntpMs * 1e3) };
    line.time.report(ntpMs, sourceTicks);
    TakeTime.align(this.times);
  }

  /** The last sender report of an RTSP track, by its `info.index`: RTP timestamp unwrapped like `sourceTicks`. */
  lastReport(index: number): { sourceTicks: number; utcUs: number } | undefined {
    return this.lines.get(index)?.report;
  }

  private addLine(info: RtspTrackInfo): void {
    const outputs = this.options.tracks.filter((track) => track.info.index === info.index);
    const depacketizer = this.depacketizer(info, outputs, () => line);
    if (!depacketizer) return;
    const time = new TakeTime(info.clockRate);
    const line: Line = { info, depacketizer, time, sequence: new RtpSequence(), restarted: false };
    this.lines.set(info.index, line);
    this.times.push(time);
  }

  private depacketizer(info: RtspTrackInfo, outputs: readonly ReceivedTrack[], line: () => Line): Depacketizer | undefined {
    const { onUnit, onSound } = this.options;
    const emit = (unit: UntimedUnit) =>
      this.place(line(), unit, (time) => {
        for (const { number } of outputs) onUnit(number, { ...unit, ...time });
      });
    if (info.encoding === "H264") return new H264Depacketizer(parameterSets(info.fmtp), emit);
    const aac = soundFormat(info);
    const emitFrames = (unit: UntimedUnit) => {
      const { sourceTicks, arrivedUs, lostPackets } = unit;
      const frames = framesOf(unit);
      this.place(line(), unit, (time) => {
        for (const { number } of outputs) onSound(number, { sourceTicks, arrivedUs, lostPackets, frames, ...time });
      });
    };
    if (aac) return new AacDepacketizer(info, aac, isEvidenceSound(aac) ? emit : emitFrames);
    const read = sampleReader(info);
    if (!read) return undefined;
    const emitSamples = (units: UntimedSamples[]) =>
      this.place(line(), units[0] as UntimedSamples, (time) => {
        for (const [index, { number }] of outputs.entries()) onSound(number, { ...(units[index] as UntimedSamples), ...time });
      });
    return new SampleDepacketizer({ read, channels: info.channels, picks: outputs.map(({ channel }) => channel), emit: emitSamples });
  }

  /** The first packet of a unit feeds the filter, also while no key frame has come yet. */
  private observe(line: Line, ticks: number, arrivedUs: number): void {
    line.ticks = ticks;
    line.time.observe(ticks, arrivedUs);
    this.hold.arrive(line.time, arrivedUs);
  }

  /** Another SSRC counts sequence and time from elsewhere (RFC 3550 clause 8). */
  private beginSource(line: Line, ssrc: number): void {
    if (line.ssrc !== undefined) {
      line.restarted = true;
      delete line.ticks;
      delete line.report;
      line.depacketizer.reset();
      line.sequence = new RtpSequence();
    }
    line.ssrc = ssrc;
  }

  private place(line: Line, unit: { sourceTicks: number; arrivedUs: number }, hand: (time: Placed) => void): void {
    const { sourceTicks, arrivedUs } = unit;
    const { restarted } = line;
    line.restarted = false;
    this.hold.pass(() => {
      if (restarted) line.time.restart();
      const timeUs = line.time.map(sourceTicks, arrivedUs);
      hand({ timeUs, discontinuity: line.time.jumped });
    });
  }

  private settle(): void {
    TakeTime.align(this.times);
    for (const time of this.times) time.settle();
  }
}

/** 32 bit time stamps that run on over their end (RFC 3550 clause 5.1); the nearest to the one before. */
function unwrapped(timestamp: number, near: number | undefined): number {
  return near === undefined ? timestamp : near + ((timestamp - near) | 0);
}
