import type { RtpArrival, SenderReportArrival } from "@xiezhi/rtsp/client.ts";
import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import type { AccessUnit, SampleUnit } from "../unit.ts";

/** One track of a room, out of one track of an RTSP session. */
export interface ReceivedTrack {
  number: number;
  /** As the session describes it; `info.index` is what arrivals name. */
  info: RtspTrackInfo;
  /** Which channel of the samples, from 0; absent: all of them mixed down. */
  channel?: number;
}

export interface ReceiverOptions {
  tracks: readonly ReceivedTrack[];
  /** Ready to be stored: H.264 and AAC. */
  onUnit(number: number, unit: AccessUnit): void;
  /** To be encoded first: G.711 and L16. */
  onSamples(number: number, unit: SampleUnit): void;
}

/** Of one RTSP track, since the connection. */
export interface ReceiverCounters {
  packets: number;
  lostPackets: number;
  /** Units that were not handed out because packets of theirs were missing or made no sense. */
  droppedUnits: number;
}

/** Can this track be received, and must it be encoded? */
export function receives(_info: RtspTrackInfo): "passed" | "encoded" | "no" {
  return "no";
}

/**
 * Makes access units with times out of what one RTSP session brings: one for each connection. The units of the first
 * quarter of a second (at most 2 s) are held back until the burst with which many cameras begin is over and their times are known.
 */
export class Receiver {
  constructor(_options: ReceiverOptions) {}
  rtp(_arrival: RtpArrival): void {}
  report(_report: SenderReportArrival): void {}
  /** Of an RTSP track by its `info.index`. */
  counters(_index: number): ReceiverCounters {
    return { packets: 0, lostPackets: 0, droppedUnits: 0 };
  }
  /** The track's last sender report: RTP timestamp unwrapped like `sourceTicks`. */
  lastReport(_index: number): { sourceTicks: number; utcUs: number } | undefined {
    return undefined;
  }
}
