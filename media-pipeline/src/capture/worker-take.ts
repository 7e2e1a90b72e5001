import { mkdirSync } from "node:fs";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { GapReason } from "../spool/journal.ts";
import { takeFolder } from "../spool/take-folder.ts";
import type { CaptureTrack } from "./tracks/capture-track.ts";
import { JournalWriter } from "./tracks/journal-writer.ts";
import { type LeftTrack, missingBefore, readJournals, recoverTrack } from "./tracks/recovery.ts";
import type { SpoolFiles } from "./tracks/spool-files.ts";
import { SOUND_TIMESCALE, VIDEO_TIMESCALE } from "./unit.ts";
import type { FromWorker, RecordOrder, TrackTick } from "./wire.ts";
import type { WorkerLog } from "./worker-log.ts";

/**
 * The encoder still gives what was said right before a pause or the end, at once; so long it is waited for where the codec worker has
 * died and another one is on its way.
 */
const DRAIN_MAX_US = 10e6;
const DRAIN_LOOK_MS = 10;
/** A picture that has not come back so long after a resume is missing. */
const RESUME_MS = 2_500;
/** After a start or a resume somebody waits for the first parcels. */
const EAGER_US = 6e6;

export interface WorkerTakeOptions {
  order: RecordOrder;
  workerId: string;
  files: SpoolFiles;
  clock: Clock;
  log: WorkerLog;
  tracks: readonly CaptureTrack[];
  tell(message: FromWorker): void;
}

/** The part that one worker has in a take: its tracks' recorders and its journal. */
export class WorkerTake {
  readonly takeId: string;
  paused: boolean;
  private readonly options: WorkerTakeOptions;
  private readonly journal: JournalWriter;
  private pausedUs: number;
  private eagerUntilUs: number;
  private resuming: { atUs: number; at: TrackTick[]; waiting: Set<CaptureTrack>; done(): void } | undefined;

  /** Goes on where a worker before this one ended. */
  constructor(options: WorkerTakeOptions) {
    const { order, files, workerId } = options;
    this.options = options;
    this.takeId = order.takeId;
    this.paused = order.pausedUs !== undefined;
    this.pausedUs = order.pausedUs ?? 0;
    this.eagerUntilUs = options.clock.monoUs() + EAGER_US;
    mkdirSync(takeFolder.journals(order.folder), { recursive: true, mode: 0o700 });
    const named = readJournals(order.folder);
    this.journal = new JournalWriter(files, order.folder, workerId);
    const left = options.tracks.map((track) => recoverTrack(files, order.folder, track.spec, named.get(track.spec.number)));
    const before = options.tracks.some((track) => named.has(track.spec.number));
    const diedUs = before ? lastSignUs(options.tracks, left) : undefined;
    for (const [index, track] of options.tracks.entries()) this.begin(track, left[index] as LeftTrack, diedUs);
  }

  /** Each second: what a full disk refused is tried again, and the agent is told that there is something to sync. */
  flush(): void {
    this.journal.flush();
    this.tellGrown();
  }

  /** Often: while somebody waits for the first parcels he is told of each. */
  poll(nowUs: number): void {
    if (nowUs < this.eagerUntilUs) this.tellGrown();
  }

  sourceChanged(track: CaptureTrack): void {
    if (this.paused) return;
    const state = track.sourceState === "off" ? "connecting" : track.sourceState;
    this.journal.add({ source: { track: track.spec.number, state, atUs: this.takeUs() } });
  }

  async pause(): Promise<void> {
    if (!this.paused) {
      this.settleResume();
      await this.halt();
    }
    this.options.tell({ kind: "paused", atUs: this.pausedUs, at: this.close((track) => track.closePaused()) });
  }

  /** Told as `resumed` when each source that runs has given something, at the latest after 2.5 s. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const { clock, tracks } = this.options;
    const atUs = clock.monoUs();
    this.eagerUntilUs = atUs + EAGER_US;
    const waiting = new Set(tracks.filter((track) => track.sourceState !== "off" && track.sourceState !== "connecting"));
    const patience = clock.after(RESUME_MS, () => this.settleResume());
    this.resuming = { atUs, at: [], waiting, done: () => patience.cancel() };
    for (const track of tracks) track.resume(atUs, (ticks) => this.began(track, ticks));
    for (const track of tracks) if (!waiting.has(track)) track.recorder?.missingSince("connecting", atUs);
    if (waiting.size === 0) this.settleResume();
  }

  async stop(): Promise<void> {
    this.settleResume();
    const stoppedUs = this.options.clock.monoUs();
    for (const track of this.options.tracks) track.endTake(stoppedUs);
    await this.drain();
    const at = this.close((track) => track.stop(stoppedUs));
    this.journal.close();
    this.options.tell({ kind: "stopped", atUs: stoppedUs, at });
  }

  private begin(track: CaptureTrack, left: LeftTrack, diedUs: number | undefined): void {
    const { order, files, clock, log } = this.options;
    const { journal } = this;
    for (const parcel of left.found) journal.add({ parcel });
    const expectedUs = order.expectedFromUs - order.t0Us;
    const before = missingBefore(left, track.spec, expectedUs, diedUs);
    // One that had paused has closed its files: nothing is missing until the resume.
    const beforePause = left.source?.state === "paused" ? [] : before;
    const now = { cause: causeOf(track), fromUs: before.length > 0 ? this.takeUs() : expectedUs };
    track.record(
      {
        files,
        journal,
        folder: order.folder,
        t0Us: order.t0Us,
        position: left.position,
        missing: this.paused ? beforePause : [...before, now],
        utcUs: (monoUs) => clock.nowMs() * 1e3 - (clock.monoUs() - monoUs),
        onTrouble: (reason) =>
          log.write(reason ? "the disk refuses" : "the disk takes again", { track: track.spec.id, reason: reason ?? "" }),
      },
      order.pausedUs,
    );
    this.sourceChanged(track);
    this.tellGrown();
  }

  /** Nothing is kept from now on; resolves when what was before it is out of the encoder. */
  private async halt(): Promise<void> {
    const { clock, tracks } = this.options;
    this.paused = true;
    const atUs = clock.monoUs();
    this.pausedUs = atUs;
    for (const track of tracks) track.pause(atUs);
    for (const track of tracks) this.journal.add({ source: { track: track.spec.number, state: "paused", atUs: this.takeUs() } });
    await this.drain();
  }

  private async drain(): Promise<void> {
    const { clock, tracks } = this.options;
    const endUs = clock.monoUs() + DRAIN_MAX_US;
    while (tracks.some((track) => !track.drained) && clock.monoUs() < endUs) await clock.sleep(DRAIN_LOOK_MS);
  }

  private close(how: (track: CaptureTrack) => number): TrackTick[] {
    const at = this.options.tracks.map((track) => ({ number: track.spec.number, ticks: how(track) }));
    this.journal.flush();
    return at;
  }

  private began(track: CaptureTrack, ticks: number): void {
    const { resuming } = this;
    if (!resuming) return;
    resuming.at.push({ number: track.spec.number, ticks });
    resuming.waiting.delete(track);
    if (resuming.waiting.size === 0) this.settleResume();
  }

  private settleResume(): void {
    const { resuming } = this;
    this.resuming = undefined;
    if (!resuming) return;
    resuming.done();
    for (const track of resuming.waiting) track.recorder?.missingSince(causeOf(track), resuming.atUs);
    for (const track of this.options.tracks) this.sourceChanged(track);
    this.options.tell({ kind: "resumed", atUs: resuming.atUs, at: resuming.at });
  }

  private tellGrown(): void {
    if (this.journal.grew) this.options.tell({ kind: "grown" });
    this.journal.grew = false;
  }

  private takeUs(): number {
    return Math.round(this.options.clock.monoUs() - this.options.order.t0Us);
  }
}

function causeOf(track: CaptureTrack): GapReason {
  const connected = track.sourceState === "waitingKeyFrame" || track.sourceState === "running";
  return connected && track.spec.kind === "video" ? "waitingKeyFrame" : "connecting";
}

/** The last thing that is known of the worker before: the end of what it stored or said. Take time, microseconds. */
function lastSignUs(tracks: readonly CaptureTrack[], left: readonly LeftTrack[]): number {
  const signs = left.map(({ position, source }, index) => {
    const timescale = tracks[index]?.spec.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
    return Math.max(Math.round((position.endTicks * 1e6) / timescale), source?.atUs ?? 0);
  });
  return Math.max(0, ...signs);
}
