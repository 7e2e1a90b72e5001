import type { AnchorLine, GapReason, JournalLine } from "../../spool/journal.ts";
import { type Chunk, Packager, type StretchHeader } from "../packager.ts";
import { type AccessUnit, SOUND_TIMESCALE, type TrackFormat, VIDEO_TIMESCALE } from "../unit.ts";
import { GapBook } from "./gap-book.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { SpoolFiles } from "./spool-files.ts";
import { type TrackPosition, TrackWriter } from "./track-writer.ts";

/** A disk that refused is asked again after this. */
const RETRY_US = 1e6;
/** Source time and take time are tied together anew after this. */
const ANCHOR_US = 30e6;
/** A parcel that nothing was added to is closed, so that it becomes durable. */
const IDLE_US = 1.5e6;
/** A source that skips more than this without losing a packet was away. */
const HOLE_US = 1e6;

export interface TakeTrackOptions {
  files: SpoolFiles;
  journal: JournalWriter;
  folder: string;
  /** Tick 0, microseconds on the monotonic axis. */
  t0Us: number;
  track: { id: string; number: number; kind: "video" | "audio" };
  /** Where a worker before this one ended; zeros in a new take. */
  position: TrackPosition & { endTicks: number };
  /** What is missing already, from when on (take time). */
  missing: readonly { cause: GapReason; fromUs: number }[];
  /** UTC microseconds of an instant on the monotonic axis. */
  utcUs(monoUs: number): number;
  lastReport(): { sourceTicks: number; utcUs: number } | undefined;
  /** The disk refused (once a trouble), or takes again. */
  onTrouble(reason: string | undefined): void;
}

/** One track of a running take: units become chunks, parcels, segments; what is missing becomes gaps. */
export class TrackRecorder {
  private readonly options: TakeTrackOptions;
  private readonly timescale: number;
  private readonly writer: TrackWriter;
  private readonly packager: Packager;
  private readonly gaps = new GapBook();
  private header: StretchHeader | undefined;
  private stretch: number;
  private throughTicks: number;
  private waitingKey: boolean;
  private troubleUntilUs: number | undefined;
  private lastUnitUs = 0;
  /** Never before a stretch has begun. */
  private anchorDueUs = Number.POSITIVE_INFINITY;
  private began: ((ticks: number) => void) | undefined;

  constructor(options: TakeTrackOptions) {
    const { track, position } = options;
    this.options = options;
    this.timescale = track.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
    this.writer = new TrackWriter({ ...options, timescale: this.timescale });
    this.packager = new Packager({
      t0Us: options.t0Us,
      floorTicks: position.endTicks,
      onStretch: (header) => {
        this.header = header;
      },
      onChunk: (chunk) => this.store(chunk),
    });
    this.stretch = position.stretch - 1;
    this.throughTicks = position.endTicks;
    this.waitingKey = track.kind === "video";
    for (const part of options.missing) this.gaps.begin(part.cause, part.fromUs);
  }

  /** Where the last stored unit ends, in ticks. */
  get endTicks(): number {
    return this.throughTicks;
  }

  push(unit: AccessUnit): void {
    if (this.waitingKey && !unit.key) return;
    if (this.troubleUntilUs !== undefined && unit.arrivedUs < this.troubleUntilUs) return;
    this.waitingKey = false;
    this.lastUnitUs = unit.arrivedUs;
    this.packager.push(unit);
    if (unit.arrivedUs >= this.anchorDueUs && this.header === undefined) this.addAnchor(unit);
  }

  /** The source is away from `atUs` (monotonic) on: what it gave is closed. */
  broken(atUs: number): void {
    this.finish();
    this.gaps.begin("connecting", this.gaps.open ? this.takeUs(atUs) : this.endUs);
  }

  /** The source is there again; its pictures begin with a key frame. */
  connected(atUs: number): void {
    if (this.options.track.kind !== "video") return;
    this.waitingKey = true;
    if (this.gaps.open) this.gaps.begin("waitingKeyFrame", this.takeUs(atUs));
  }

  /** To be called every 50 ms or so. */
  poll(nowUs: number): void {
    this.packager.poll(nowUs);
    if (this.writer.open && nowUs - this.lastUnitUs > IDLE_US) {
      this.packager.flush();
      this.writer.closeParcel();
    }
  }

  /** Makes what was written so far a parcel, however short: the first of a take need not wait for its second to be full. */
  closeParcel(): void {
    this.writer.closeParcel();
  }

  /** Stores what is held and closes all files. Missing time ends with `atUs`. Answers where the last unit ends, in ticks. */
  pause(atUs: number): number {
    this.finish();
    const toUs = this.takeUs(atUs);
    if (this.throughTicks > 0 && !this.gaps.open && toUs - this.endUs > HOLE_US) this.gaps.begin("connecting", this.endUs);
    this.endGap(toUs);
    return this.throughTicks;
  }

  /** Sound at once, pictures from their next key frame on; that wait is no gap. `began` is told of the first tick. */
  resume(began: (ticks: number) => void): void {
    this.packager.restart();
    this.waitingKey = this.options.track.kind === "video";
    this.began = began;
  }

  /** Nothing came since the resume at `fromUs` (monotonic): it is missing from there on. */
  missingSince(cause: GapReason, fromUs: number): void {
    this.began = undefined;
    this.gaps.begin(cause, this.takeUs(fromUs));
  }

  private finish(): void {
    this.packager.flush();
    this.guarded(() => this.writer.closeSegment());
  }

  private store(chunk: Chunk): void {
    if (this.troubleUntilUs !== undefined && chunk.arrivedUs < this.troubleUntilUs) return;
    const stored = this.guarded(() => {
      if (this.header) this.beginStretch(this.header);
      this.noteMissing(chunk);
      this.writer.write(chunk);
    });
    if (!stored) {
      this.troubleUntilUs = chunk.arrivedUs + RETRY_US;
      this.waitingKey = this.options.track.kind === "video";
      this.gaps.begin("spoolFull", this.usOf(chunk.ticks));
      this.packager.restart();
      return;
    }
    if (this.troubleUntilUs !== undefined) this.options.onTrouble(undefined);
    this.troubleUntilUs = undefined;
    this.endGap(this.usOf(chunk.ticks));
    this.throughTicks = chunk.ticks + chunk.durationTicks;
    this.began?.(chunk.ticks);
    this.began = undefined;
  }

  private noteMissing(chunk: Chunk): void {
    if (chunk.lostPackets > 0) this.gaps.countLost(chunk.lostPackets);
    const holeUs = this.usOf(chunk.ticks) - this.endUs;
    if (this.gaps.open || this.throughTicks === 0 || this.began) return;
    if (chunk.lostPackets > 0) this.gaps.begin("lostPackets", this.endUs);
    else if (holeUs > HOLE_US) this.gaps.begin("connecting", this.endUs);
    if (this.gaps.open) this.writer.closeParcel();
  }

  private beginStretch(header: StretchHeader): void {
    const { sourceTicks, sourceRate, ticks, arrivedUs } = header.anchor;
    const anchor = { sourceTicks, sourceRate, ticks, arrivedUtcUs: Math.round(this.options.utcUs(arrivedUs)), ...this.report() };
    this.stretch = this.writer.beginStretch(header.bytes, factsOf(header.format), anchor);
    this.anchorDueUs = arrivedUs + ANCHOR_US;
    this.header = undefined;
  }

  private addAnchor(unit: AccessUnit): void {
    this.anchorDueUs = unit.arrivedUs + ANCHOR_US;
    const anchor: AnchorLine = {
      track: this.options.track.number,
      stretch: this.stretch,
      sourceTicks: unit.sourceTicks,
      sourceRate: unit.format.sourceRate,
      ticks: Math.round((this.takeUs(unit.timeUs) * this.timescale) / 1e6),
      arrivedUtcUs: Math.round(this.options.utcUs(unit.arrivedUs)),
      ...this.report(),
    };
    this.options.journal.add({ anchor });
  }

  private report(): { reportSourceTicks?: number; reportUtcUs?: number } {
    const report = this.options.lastReport();
    return report ? { reportSourceTicks: report.sourceTicks, reportUtcUs: Math.round(report.utcUs) } : {};
  }

  private endGap(atUs: number): void {
    const gap = this.gaps.close(this.options.track.number, Math.round(atUs));
    if (gap) this.options.journal.add({ gap } satisfies JournalLine);
  }

  /** False: the disk refused. What it says is told once a trouble. */
  private guarded(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      if (this.troubleUntilUs === undefined) this.options.onTrouble((error as NodeJS.ErrnoException).code ?? String(error));
      return false;
    }
  }

  private takeUs(monoUs: number): number {
    return Math.round(monoUs - this.options.t0Us);
  }

  private usOf(ticks: number): number {
    return Math.round((ticks * 1e6) / this.timescale);
  }

  private get endUs(): number {
    return this.usOf(this.throughTicks);
  }
}

function factsOf(format: TrackFormat) {
  if (format.kind === "video")
    return { codec: format.codec, width: format.width, height: format.height, channels: 0, encoderDelayTicks: 0, encodedFrom: "" };
  const { codec, channels, encoderDelayTicks = 0, encodedFrom = "" } = format;
  return { codec, width: 0, height: 0, channels, encoderDelayTicks, encodedFrom };
}
