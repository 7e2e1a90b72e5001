import { create } from "@bufbuild/protobuf";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import {
  type CentralCopy,
  type Desk,
  DeskSchema,
  type DeskTake,
  DeskTakeSchema,
  type DeskTrack,
  DeskTrackSchema,
  RoomPhase,
  SourceState,
} from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import type { Memory } from "../memory/memory.part.ts";
import type { RecordingStatus, RunningTake, TrackStatus } from "../recording/recording.model.ts";

const phases: Record<RecordingStatus["phase"], RoomPhase> = {
  cold: RoomPhase.COLD,
  warm: RoomPhase.WARM,
  starting: RoomPhase.STARTING,
  recording: RoomPhase.RECORDING,
  paused: RoomPhase.PAUSED,
  ending: RoomPhase.ENDING,
};

const sources: Record<TrackStatus["source"], SourceState> = {
  off: SourceState.OFF,
  connecting: SourceState.CONNECTING,
  waitingKeyFrame: SourceState.WAITING_KEY_FRAME,
  running: SourceState.RUNNING,
};

/** What a page sees of the room, as true as it is now. */
export function deskOf(roomId: string, nowMs: number, status: RecordingStatus, memory: Memory, central: CentralCopy): Desk {
  const { phase, tracks, take, spoolFreeBytes, spoolBytesPerHour } = status;
  return create(DeskSchema, {
    roomId,
    phase: phases[phase],
    provenAtMs: BigInt(nowMs),
    tracks: tracks.map(deskTrack),
    ...(take && { take: deskTake(take) }),
    listings: [...memory.listings],
    listingsAtMs: BigInt(memory.listingsAtMs),
    central,
    spoolHoursLeft: spoolBytesPerHour > 0 ? spoolFreeBytes / spoolBytesPerHour : 0,
  });
}

function deskTrack({ track, source, sinceMs, reason, durableThroughMs, expected }: TrackStatus): DeskTrack {
  return create(DeskTrackSchema, {
    number: track.number,
    id: track.id,
    kind: track.kind === "video" ? TrackKind.VIDEO : TrackKind.AUDIO,
    seatId: track.seatId,
    label: track.label,
    source: sources[source],
    sourceSinceMs: BigInt(Math.round(sinceMs)),
    reason,
    durableThroughMs: BigInt(Math.round(durableThroughMs)),
    expected,
  });
}

function deskTake({ takeId, hearingId, title, startedAtMs, startedBy, requestId, lengthUs, paused, marks }: RunningTake): DeskTake {
  return create(DeskTakeSchema, {
    takeId,
    hearingId,
    title,
    startedAtMs: BigInt(Math.round(startedAtMs)),
    startedBy: startedBy.name,
    requestId,
    lengthUs: BigInt(Math.round(lengthUs)),
    ...(paused && { pausedFor: paused.reason, pausedAtMs: BigInt(Math.round(paused.atMs)) }),
    marks: marks.map(({ id, type, text, takeUs, atMs }) => ({ id, type, text, takeUs: BigInt(takeUs), atMs: BigInt(atMs) })),
  });
}
