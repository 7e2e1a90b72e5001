import type { Clock } from "@xiezhi/base/clock.ts";
import type { SoundEncoding, SoundMeter } from "../../codec/codec.client.ts";
import { levelsOf } from "../rtp/pcm.ts";
import type { AccessUnit, FrameUnit, SampleUnit } from "../unit.ts";
import type { SourceState, TrackReport } from "../wire.ts";
import { type LiveSink, LiveView } from "./live-view.ts";
import { type TakeTrackOptions, TrackRecorder } from "./track-recorder.ts";
import { WarmRing } from "./warm-ring.ts";

/** Two frames and what a resampler holds. */
const ENCODER_WINDOW_US = 80e3;

export interface CaptureTrackOptions {
  spec: { id: string; number: number; kind: "video" | "audio" };
  clock: Clock;
  /** The second stream: for live views only. */
  small: boolean;
  live: LiveSink;
  onState(): void;
}

/** What a source gives a track to work with once it is connected. */
export interface TrackInput {
  /** Sound that must be encoded first; absent for what is stored as it comes. */
  encoding?: SoundEncoding;
  /** Opens the meter for sound that comes as AAC, encoded anew or not: it must be decoded to be measured. */
  openMeter?(): SoundMeter;
  lastReport(): { sourceTicks: number; utcUs: number } | undefined;
}

/** One track in the worker: its source's state, its ring, its part of the take, its live view. */
export class CaptureTrack {
  readonly spec: CaptureTrackOptions["spec"];
  readonly ring: WarmRing;
  recorder: TrackRecorder | undefined;
  private readonly options: CaptureTrackOptions;
  private readonly view: LiveView;
  private input: TrackInput | undefined;
  private state: SourceState = "off";
  private sinceUs: number;
  private reason = "";
  private units = 0;
  private bytes = 0;
  private lostPackets = 0;
  /** Sound of before this went to the encoder. */
  private saidUntilUs = 0;
  /** Nothing that comes from here on is kept, nor shown: monotonic microseconds. */
  private pausedUs: number | undefined;
  /** Nothing that comes from here on belongs to the take. */
  private takeEndUs: number | undefined;
  /** Nothing from before is kept: when the pause ended. */
  private keptFromUs = 0;
  private metering = false;
  private meter: SoundMeter | undefined;
  private loud: { power: number; weight: number; peakDbfs: number } | undefined;

  constructor(options: CaptureTrackOptions) {
    this.options = options;
    this.spec = options.spec;
    this.ring = new WarmRing(options.spec.kind);
    this.view = new LiveView(options.spec.number, options.small, options.live);
    this.sinceUs = options.clock.monoUs();
  }

  get sourceState(): SourceState {
    return this.state;
  }

  report(): TrackReport {
    const { state, sinceUs, reason, units, bytes, lostPackets } = this;
    return { number: this.spec.number, state, sinceUs, reason, units, bytes, lostPackets };
  }

  /** The source is away; `off` when nobody wants it. */
  away(state: "off" | "connecting", reason: string): void {
    const wasThere = this.input !== undefined;
    this.input?.encoding?.close();
    this.meter?.close();
    this.meter = undefined;
    this.input = undefined;
    this.ring.clear();
    if (wasThere && this.pausedUs === undefined) this.recorder?.broken(this.options.clock.monoUs());
    this.become(state, reason);
  }

  connected(input: TrackInput): void {
    this.input = input;
    this.setMetering(this.metering);
    if (this.pausedUs === undefined) this.recorder?.connected(this.options.clock.monoUs());
    this.become("waitingKeyFrame", "");
  }

  /** Sound that is to be encoded first. */
  sound(unit: SampleUnit | FrameUnit): void {
    this.lostPackets += unit.lostPackets;
    if ("samples" in unit) this.measure(unit);
    if (this.pausedUs !== undefined || unit.timeUs < this.keptFromUs || !this.input?.encoding) return;
    this.input.encoding.push(unit);
    this.saidUntilUs = unit.timeUs;
  }

  /** A unit as it will be stored. */
  unit(unit: AccessUnit): void {
    this.units++;
    this.bytes += unit.data.length;
    if (this.input?.encoding === undefined) this.lostPackets += unit.lostPackets;
    this.meter?.push(unit);
    if (this.state === "waitingKeyFrame" && unit.key) this.become("running", "");
    if (unit.timeUs < this.keptFromUs) return;
    // The encoder still gives what was said before the end.
    const ofTake = this.takeEndUs === undefined || (unit.untilUs !== undefined && unit.untilUs <= this.takeEndUs);
    if (ofTake) this.recorder?.push(unit);
    if (this.pausedUs !== undefined) return;
    this.ring.add(unit);
    this.view.push(unit);
  }

  /** Begins its part of a take with what the ring holds. */
  record(options: Omit<TakeTrackOptions, "track" | "lastReport">, pausedUs: number | undefined): void {
    const recorder = new TrackRecorder({ ...options, track: this.spec, lastReport: () => this.input?.lastReport() });
    this.recorder = recorder;
    if (pausedUs !== undefined) {
      this.pause(pausedUs);
      recorder.pause(pausedUs);
      return;
    }
    for (const unit of this.ring.units) if (unit.timeUs >= options.t0Us) recorder.push(unit);
    recorder.closeParcel();
  }

  /** The encoder has given what it can of the take's last sound: the rest is in its window. */
  get drained(): boolean {
    const doneUntilUs = this.input?.encoding?.doneUntilUs ?? Number.POSITIVE_INFINITY;
    return doneUntilUs > Math.min(this.saidUntilUs - ENCODER_WINDOW_US, this.takeEndUs ?? this.saidUntilUs);
  }

  /** From now on nothing is kept; the take's files are closed by `closePaused`. */
  pause(atUs: number): void {
    this.pausedUs = atUs;
    this.takeEndUs = atUs;
    this.ring.clear();
    this.view.close();
  }

  /** Nothing that comes from now on belongs to the take; live views and ring go on. */
  endTake(atUs: number): void {
    this.takeEndUs ??= atUs;
  }

  /** Where the track's last unit before the pause ends, in ticks. */
  closePaused(): number {
    return this.recorder?.pause(this.pausedUs ?? this.options.clock.monoUs()) ?? 0;
  }

  resume(atUs: number, began: (ticks: number) => void): void {
    this.pausedUs = undefined;
    this.takeEndUs = undefined;
    this.keptFromUs = atUs;
    this.input?.encoding?.restart();
    this.recorder?.resume(began);
  }

  stop(atUs: number): number {
    const { recorder } = this;
    const ticks = (this.pausedUs === undefined ? recorder?.pause(atUs) : recorder?.endTicks) ?? 0;
    this.recorder = undefined;
    if (this.pausedUs !== undefined) this.input?.encoding?.restart();
    this.pausedUs = undefined;
    this.takeEndUs = undefined;
    return ticks;
  }

  poll(nowUs: number): void {
    this.recorder?.poll(nowUs);
    this.view.poll(nowUs);
  }

  watch(on: boolean): void {
    if (!on) this.view.close();
    else if (this.pausedUs === undefined && !this.view.watched) this.view.open(this.ring.units);
  }

  setMetering(on: boolean): void {
    this.metering = on;
    this.loud = undefined;
    if (on) this.meter ??= this.input?.openMeter?.();
    else this.meter?.close();
    if (!on) this.meter = undefined;
  }

  /** Of the sound since it was last asked for; undefined: none came. */
  takeLevels(): { rmsDbfs: number; peakDbfs: number } | undefined {
    const { loud } = this;
    this.loud = undefined;
    return loud && { rmsDbfs: Math.max(-100, 10 * Math.log10(loud.power / loud.weight)), peakDbfs: loud.peakDbfs };
  }

  addLevels(levels: { rmsDbfs: number; peakDbfs: number }, weight: number): void {
    const loud = (this.loud ??= { power: 0, weight: 0, peakDbfs: -100 });
    loud.power += weight * 10 ** (levels.rmsDbfs / 10);
    loud.weight += weight;
    loud.peakDbfs = Math.max(loud.peakDbfs, levels.peakDbfs);
  }

  private measure(unit: SampleUnit): void {
    if (this.metering && unit.samples.length > 0) this.addLevels(levelsOf(unit.samples), unit.samples.length);
  }

  private become(state: SourceState, reason: string): void {
    if (state === this.state && reason === this.reason) return;
    if (state !== this.state) this.sinceUs = this.options.clock.monoUs();
    this.state = state;
    this.reason = reason;
    this.options.onState();
  }
}
