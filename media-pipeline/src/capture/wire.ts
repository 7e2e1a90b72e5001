/**
 * What agent and capture worker say to each other on the worker's unix socket (framing.ts). Kind 0 carries `ToWorker` and
 * `FromWorker` as JSON, kind 1 a piece of a live view. All times are microseconds of the machine's monotonic clock.
 */
export interface TrackSpec {
  /** Names the track's folder. */
  id: string;
  number: number;
  kind: "video" | "audio";
  /** Which of the session's media of this kind, from 0. */
  rtspTrack: number;
  /** Which channel, from 0. Absent: all of them, mixed down. */
  channel?: number;
}

/** One RTSP session: a camera, or an encoder with several microphones. */
export interface SourceSpec {
  id: string;
  /** Absent: the device is away, and `reason` says so in a driver's words. */
  url?: string;
  reason?: string;
  username?: string;
  /** In the clear on this socket only. */
  password?: string;
  /** `small`: second stream, for live views only, connected while watched. */
  role: "evidence" | "small";
  tracks: TrackSpec[];
}

export interface RecordOrder {
  takeId: string;
  /** The take's folder. */
  folder: string;
  /** Tick 0. */
  t0Us: number;
  /** From here on a track that gives nothing has a gap: the press, or where a worker that died had begun. */
  expectedFromUs: number;
  /** The take is paused since then: nothing is kept until `resume`. */
  pausedUs?: number;
}

export type ToWorker =
  | { kind: "configure"; sources: SourceSpec[]; codecSocket: string }
  | { kind: "warm"; on: boolean }
  /** Holds the rings as they are, for `record` right after; answered by `prepared`. */
  | { kind: "prepare" }
  | ({ kind: "record" } & RecordOrder)
  | { kind: "pause" }
  | { kind: "resume" }
  | { kind: "stop" }
  /** Live views wanted, by track number, of main and of second streams. */
  | { kind: "live"; main: number[]; small: number[] }
  | { kind: "levels"; on: boolean }
  /** Close everything and exit. */
  | { kind: "end" };

export type SourceState = "off" | "connecting" | "waitingKeyFrame" | "running";

export interface TrackReport {
  number: number;
  state: SourceState;
  /** Monotonic, microseconds. */
  sinceUs: number;
  reason: string;
  units: number;
  bytes: number;
  lostPackets: number;
}

export interface TrackTick {
  number: number;
  /** Take time where the track's last unit ends (paused, stopped) or its next begins (resumed), in its ticks. */
  ticks: number;
}

export type FromWorker =
  | { kind: "hello"; workerId: string; bootId: string; pid: number; take?: { takeId: string; paused: boolean } }
  | { kind: "state"; tracks: TrackReport[] }
  | { kind: "prepared"; oldestUs: number | null }
  | { kind: "recording"; takeId: string }
  /** The journal has lines that should be durable now rather than within the second. */
  | { kind: "grown" }
  /** From `atUs` on nothing is kept. */
  | { kind: "paused"; atUs: number; at: TrackTick[] }
  | { kind: "resumed"; atUs: number; at: TrackTick[] }
  /** From `atUs` on nothing belongs to the take. */
  | { kind: "stopped"; atUs: number; at: TrackTick[] }
  | { kind: "levels"; levels: [number: number, rmsDbfs: number, peakDbfs: number][] }
  | { kind: "liveHeader"; number: number; small: boolean; codec: string; timescale: number }
  /** The order could not be obeyed. */
  | { kind: "failed"; order: ToWorker["kind"]; reason: string };

/** Flags of a live piece. */
export const LIVE_KEY = 1;
export const LIVE_HEADER = 2;
export const LIVE_SMALL = 4;

export interface LiveFrame {
  number: number;
  flags: number;
  /** When the unit arrived, UTC microseconds. */
  arrivedUtcUs: number;
  bytes: Buffer;
}

const LIVE_HEAD_BYTES = 13;

/** What stands before the bytes of a live piece. */
export function liveHead(number: number, flags: number, arrivedUtcUs: number): Buffer {
  const head = Buffer.allocUnsafe(LIVE_HEAD_BYTES);
  head.writeUInt32LE(number, 0);
  head[4] = flags;
  head.writeDoubleLE(arrivedUtcUs, 5);
  return head;
}

export function readLiveFrame(payload: Buffer): LiveFrame {
  return {
    number: payload.readUInt32LE(0),
    flags: payload.readUInt8(4),
    arrivedUtcUs: payload.readDoubleLE(5),
    bytes: payload.subarray(LIVE_HEAD_BYTES),
  };
}
