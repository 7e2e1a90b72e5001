import { type Desk, type DeskTrack, RoomPhase } from "../gen/xiezhi/rooms/v1/rooms_pb.js";

/** Older than this, neither a durable track nor a heard Desk is proof any more. */
export const proofMs = 3_000;
/** Below this reserve of the room's spool the light warns, hours. */
const spoolReserveHours = 2;

export type LightColour = "green" | "amber" | "red" | "blue";
export type LightReason = keyof typeof words;

/**
 * The one light of a room: Desk, panel, lamp and the judge's screen show the same. Nobody may have to tell colours apart,
 * so each colour has its shape and each state its word.
 */
export interface Light {
  colour: LightColour;
  shape: "disc" | "triangle" | "square" | "bars";
  reason: LightReason;
  zh: string;
  en: string;
  /** Expected tracks that are not durable now; empty when the light says nothing about tracks. */
  troubled: TroubledTrack[];
}

export interface TroubledTrack {
  track: DeskTrack;
  /** UTC ms on the room's clock: durable up to here, or expected since then when nothing is durable yet. */
  sinceMs: number;
}

const shapes = { green: "disc", amber: "triangle", red: "square", blue: "bars" } as const;

const words = {
  recording: { colour: "green", zh: "正在录制", en: "Recording" },
  partly: { colour: "amber", zh: "部分未录", en: "Partly not recorded" },
  spoolLow: { colour: "amber", zh: "本地存储将满", en: "Room storage nearly full" },
  starting: { colour: "amber", zh: "正在开始", en: "Starting" },
  ending: { colour: "amber", zh: "正在结束", en: "Ending" },
  unknown: { colour: "amber", zh: "状态未知", en: "Not known" },
  nothing: { colour: "red", zh: "未录制", en: "Not recording" },
  paused: { colour: "blue", zh: "依法暂停", en: "Lawfully paused" },
} as const satisfies Record<string, { colour: LightColour; zh: string; en: string }>;

/**
 * @param desk what the room last said, or nothing yet
 * @param heardAgoMs how long ago it was heard, on the monotonic clock of who shows the light: it must not stay green by silence
 */
export function light(desk: Desk | undefined, heardAgoMs: number): Light {
  if (!desk || heardAgoMs > proofMs) return shown("unknown");
  switch (desk.phase) {
    case RoomPhase.COLD:
    case RoomPhase.WARM:
      return shown("nothing");
    case RoomPhase.STARTING:
      return shown("starting", troubledTracks(desk));
    case RoomPhase.RECORDING:
      return whileRecording(desk);
    case RoomPhase.PAUSED:
      return shown("paused");
    case RoomPhase.ENDING:
      return shown("ending");
    default:
      return shown("unknown");
  }
}

function whileRecording(desk: Desk): Light {
  const expected = desk.tracks.filter((track) => track.expected);
  const troubled = troubledTracks(desk);
  if (troubled.length === expected.length) return shown("nothing", troubled);
  if (troubled.length > 0) return shown("partly", troubled);
  // An agent that can't tell its reserve says 0; a spool that is really full shows as tracks that are not durable.
  if (desk.spoolHoursLeft > 0 && desk.spoolHoursLeft < spoolReserveHours) return shown("spoolLow");
  return shown("recording");
}

/** Both times are the room's own, so a page whose clock is wrong judges alike. */
function troubledTracks(desk: Desk): TroubledTrack[] {
  return desk.tracks
    .filter((track) => track.expected && Number(desk.provenAtMs - track.durableThroughMs) > proofMs)
    .map((track) => ({ track, sinceMs: Number(track.durableThroughMs || desk.take?.startedAtMs || track.sourceSinceMs) }));
}

function shown(reason: LightReason, troubled: TroubledTrack[] = []): Light {
  const { colour, zh, en } = words[reason];
  return { colour, shape: shapes[colour], reason, zh, en, troubled };
}
