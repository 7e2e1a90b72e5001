import type { Clock } from "@xiezhi/base/clock.ts";
import type { RoomTrack, SourceState, StartStep } from "./recording.model.ts";

const START_MS = 4_000;

/** What can be seen of a track while a start goes on. */
export interface SeenTrack {
  source: SourceState;
  reason: string;
  durable: boolean;
}

type Step = Pick<StartStep, "device" | "step">;

/** Tells each step of a start once: as soon as it is done, or at the end why it is not. */
export class StartSteps {
  /** From the press to the first durable parcel; 0: none yet. */
  firstParcelMs = 0;
  private readonly tracks: readonly RoomTrack[];
  private readonly roomId: string;
  private readonly sinceMs: () => number;
  private readonly onStep: (step: StartStep) => void;
  private readonly told = new Set<string>();

  constructor(tracks: readonly RoomTrack[], roomId: string, sinceMs: () => number, onStep: (step: StartStep) => void) {
    this.tracks = tracks;
    this.roomId = roomId;
    this.sinceMs = sinceMs;
    this.onStep = onStep;
  }

  tell(device: string, step: StartStep["step"]): void {
    this.emit({ device, step }, true, "");
  }

  /** Resolves when each track has its first durable parcel, at the latest after 4 s. `onChange`: tells when to look again, until it is stopped. */
  wait(clock: Clock, seen: (track: RoomTrack) => SeenTrack, onChange: (look: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        patience.cancel();
        stop();
        resolve();
      };
      const patience = clock.after(START_MS, () => {
        this.look(seen);
        this.giveUp(seen);
        finish();
      });
      const stop = onChange(() => this.look(seen) && finish());
    });
  }

  /** True when nothing is left to wait for. */
  private look(seen: (track: RoomTrack) => SeenTrack): boolean {
    let all = true;
    for (const track of this.tracks) {
      const { source, durable } = seen(track);
      const connected = source === "waitingKeyFrame" || source === "running";
      if (connected || durable) this.tell(track.id, "connect");
      if (track.kind === "video" && (source === "running" || durable)) this.tell(track.id, "key-frame");
      if (durable) this.tell(track.id, "first-parcel");
      all &&= durable;
    }
    if (this.firstParcelMs === 0 && this.tracks.some((track) => seen(track).durable)) {
      this.firstParcelMs = this.sinceMs();
      this.tell(this.roomId, "ledger");
    }
    return all;
  }

  /** The time is over: what is not done yet is told with its reason. */
  private giveUp(seen: (track: RoomTrack) => SeenTrack): void {
    for (const track of this.tracks) {
      const { source, reason } = seen(track);
      const why = reason || (source === "waitingKeyFrame" ? "no key frame yet" : "nothing came yet");
      this.emit({ device: track.id, step: "connect" }, false, why);
      if (track.kind === "video") this.emit({ device: track.id, step: "key-frame" }, false, why);
      this.emit({ device: track.id, step: "first-parcel" }, false, why);
    }
    this.emit({ device: this.roomId, step: "ledger" }, false, "nothing is durable yet");
  }

  private emit(step: Step, ok: boolean, reason: string): void {
    const key = `${step.device} ${step.step}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    this.onStep({ ...step, ok, reason, ms: this.sinceMs() });
  }
}
