import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Processes } from "@xiezhi/base/processes.ts";
import type { InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type {
  Actor,
  LivePiece,
  RecordingStatus,
  RoomTrack,
  SoundLevel,
  SpooledTake,
  StartedTake,
  StartStep,
  StartTake,
  TakeMark,
} from "./recording.model.ts";

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
}

/**
 * The recording of one room: capture workers, takes, their spool and ledgers. One take runs at a time. It knows nothing of
 * rights, requests that repeat, or the hub: RoomService stands before it.
 */
export class Recording {
  constructor(_options: RecordingOptions) {}

  /** Takes the room's lock, adopts living workers, and goes on with a take that was left open (`restart` entry). Once, first. */
  async open(_tracks: readonly RoomTrack[]): Promise<void> {}

  /** New addresses (a driver opened or lost a device). Tracks keep number, id and kind for the life of the agent. */
  setTracks(_tracks: readonly RoomTrack[]): void {}

  /** Warm: sources connected, one group of pictures in memory, nothing on disk. A running take is warm whatever is said here. */
  warm(_on: boolean): void {}

  /**
   * Begins a take. Resolves when each track has its first durable parcel or after 4 s, whichever comes first: a dead camera
   * does not stop a hearing, it joins later. Throws RECORDING_BUSY when a take runs, RECORDING_SPOOL when nothing can be written.
   */
  async start(_start: StartTake, _onStep: (step: StartStep) => void): Promise<StartedTake> {
    throw new Error("not yet");
  }

  /** Resolves when the interruption is durable: no unit that came after is in memory or on disk. Take time of it, microseconds. */
  async pause(_pause: { reason: InterruptionReason; decidedBy: string; actor: Actor; requestId: string }): Promise<{ takeUs: number }> {
    throw new Error("not yet");
  }

  /** Resolves when the end of the interruption is durable; pictures come back at their next key frame. */
  async resume(_resume: { actor: Actor; requestId: string }): Promise<{ takeUs: number }> {
    throw new Error("not yet");
  }

  /** Resolves when the mark is durable. */
  async mark(_mark: { type: string; text: string; actor: Actor; requestId: string }): Promise<TakeMark> {
    throw new Error("not yet");
  }

  /** Resolves when all is durable, the end entry written and the last checkpoint signed. */
  async end(_end: { actor: Actor; requestId: string; reason: "pressed" | "24h" | "shutdown" }): Promise<{ lengthUs: number }> {
    throw new Error("not yet");
  }

  /** The present truth. */
  status(): RecordingStatus {
    throw new Error("not yet");
  }

  /** Called on each change of status and once a second while sources run. Returns the way to stop it. */
  onStatus(_listener: () => void): () => void {
    throw new Error("not yet");
  }

  /** Ten times a second while at least one listener is there. */
  onLevels(_listener: (levels: readonly SoundLevel[]) => void): () => void {
    throw new Error("not yet");
  }

  /**
   * Chunks of these tracks as they come, the cached group of pictures first. A reader that does not keep up loses chunks up to
   * the next key frame. Ends at pause, at `close` and with the signal. Small: second streams where cameras have one.
   */
  watchLive(_numbers: readonly number[], _options: { small: boolean; signal: AbortSignal }): AsyncIterable<LivePiece> {
    throw new Error("not yet");
  }

  /** Takes in the spool that are not marked `uploaded`, oldest first. */
  takes(): readonly SpooledTake[] {
    throw new Error("not yet");
  }

  /** Called when a ledger has grown or a take has ended. Returns the way to stop it. */
  onEntries(_listener: (takeId: string) => void): () => void {
    throw new Error("not yet");
  }

  /** The hub holds all of an ended take: it is not offered again. */
  async markUploaded(_takeId: string): Promise<void> {}

  /** Pids of what runs, adopted ones too. */
  processList(): { name: string; pid: number }[] {
    throw new Error("not yet");
  }

  /** Orderly: workers end and close their files, ledgers are signed. A running take stays open and is gone on with by the next agent. */
  async close(): Promise<void> {}
}
