import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Processes } from "@xiezhi/base/processes.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import type { InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

export interface RecordingOptions {
  clock: Clock;
  log: Log;
  /** Runs capture workers and the codec worker; stopping them is this class's affair. */
  processes: Processes;
  siteId: string;
  roomId: string;
  /** The agent's state: `spool/`, `run/`, `keys/` and `logs/` are kept in it. */
  stateFolder: string;
  agentVersion: string;
  /** Length at which a take ends and another goes on, microseconds; 24 h. */
  takeMaxUs?: number;
}

/** Where a picture or sound is to be had: what a driver says of a device's media. */
export interface SourceAddress {
  /** rtsp://host:port/path, without credentials. */
  url: string;
  username?: string;
  password?: Secret;
  /** Which of the session's media of the track's kind, from 0. */
  rtspTrack: number;
  /** Which channel of a multichannel sound, from 0. Absent: all of it, mixed down. */
  channel?: number;
}

/** One camera picture or microphone of the room, in the order of the room's configuration; `number` counts from 1. */
export interface RoomTrack {
  number: number;
  /** Plain name, unique in the room: names the track's folder. */
  id: string;
  kind: "video" | "audio";
  deviceId: string;
  seatId: string;
  label: string;
  /** Absent while no driver has opened the device: the track is expected all the same, and its absence recorded. */
  main?: SourceAddress;
  /** The camera's second stream, opened only while somebody looks. */
  small?: SourceAddress;
  /** Why `main` is absent, in a driver's words. */
  reason?: string;
}

export type SourceState = "off" | "connecting" | "waitingKeyFrame" | "running";

export interface TrackStatus {
  track: RoomTrack;
  source: SourceState;
  /** UTC ms. */
  sinceMs: number;
  /** Why it is not running; empty when it is. */
  reason: string;
  /** UTC ms through which this track is durable in the spool; 0: nothing of this take yet. */
  durableThroughMs: number;
  /** The running take asked for it. */
  expected: boolean;
}

export type Phase = "cold" | "warm" | "starting" | "recording" | "paused" | "ending";

export interface RecordingStatus {
  phase: Phase;
  tracks: TrackStatus[];
  take: RunningTake | undefined;
  /** Bytes that are free for the spool, and that the running tracks take in an hour (0: not known yet). */
  spoolFreeBytes: number;
  spoolBytesPerHour: number;
}

export interface TakeMark {
  id: string;
  type: string;
  text: string;
  takeUs: number;
  /** UTC ms. */
  atMs: number;
}

export interface Actor {
  userId: string;
  name: string;
}

export interface RunningTake {
  takeId: string;
  hearingId: string;
  title: string;
  /** UTC ms of the press. */
  startedAtMs: number;
  startedBy: Actor;
  requestId: string;
  /** Take time now, microseconds. */
  lengthUs: number;
  paused: { reason: InterruptionReason; atMs: number; decidedBy: string; requestId: string } | undefined;
  marks: TakeMark[];
}

export interface StartTake {
  /** UUIDv7 of the take, made by the caller. */
  takeId: string;
  hearingId: string;
  /** The hub's list does not know this hearing: it makes one from the ledger. */
  unlisted: boolean;
  caseReferences: readonly string[];
  title: string;
  actor: Actor;
  requestId: string;
  /** `clock.monoUs()` of the press: where the start mark stands, and from when on each track is expected. */
  pressedUs: number;
}

/** What a start did, as it happens. Steps: spool, connect, key-frame, first-parcel, ledger. */
export interface StartStep {
  /** Track id, or the room's id for what concerns all. */
  device: string;
  step: "spool" | "connect" | "key-frame" | "first-parcel" | "ledger";
  ok: boolean;
  reason: string;
  /** Since the press. */
  ms: number;
}

export interface StartedTake {
  takeId: string;
  startedAtMs: number;
  /** From the press to the first durable parcel; 0: none within the time a start waits (the take runs all the same). */
  buttonToFirstParcelMs: number;
}

/** What a live viewer gets: the header of each track first and again when it changes, then chunks from a key frame on. */
export type LivePiece =
  | { kind: "header"; number: number; codec: string; timescale: number; header: Buffer }
  | { kind: "chunk"; number: number; key: boolean; arrivedUtcUs: number; data: Buffer };

export interface SoundLevel {
  number: number;
  rmsDbfs: number;
  peakDbfs: number;
}

/** A take in the spool, for the uplink. */
export interface SpooledTake {
  takeId: string;
  /** Layout: media-pipeline/src/spool/take-folder.ts. */
  folder: string;
  /** Entries that are synced in its ledger. */
  size: number;
  ended: boolean;
}
