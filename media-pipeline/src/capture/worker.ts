import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { CodecClient } from "../codec/codec.client.ts";
import { RtspSource } from "./sources/rtsp/rtsp-source.ts";
import { CaptureTrack } from "./tracks/capture-track.ts";
import type { LiveSink } from "./tracks/live-view.ts";
import type { SpoolFiles } from "./tracks/spool-files.ts";
import type { FromWorker, RecordOrder, SourceSpec, ToWorker } from "./wire.ts";
import type { WorkerLog } from "./worker-log.ts";
import { WorkerTake } from "./worker-take.ts";

/** Rings that were held for a take which did not begin are let go. */
const HOLD_MS = 5_000;
const POLL_MS = 50;
const LEVELS_MS = 100;
/** A room without cameras begins with this much sound. */
const SOUND_BEFORE_US = 1e6;

export interface WorkerOptions {
  workerId: string;
  clock: Clock;
  log: WorkerLog;
  files: SpoolFiles;
  tell(message: FromWorker): void;
  live: LiveSink;
}

/**
 * A capture worker without its socket: sources, tracks, and the take that it writes. It goes on with what it was told last,
 * whether an agent is there or not.
 */
export class Worker {
  private readonly options: WorkerOptions;
  private readonly mains = new Map<number, CaptureTrack>();
  private readonly smalls = new Map<number, CaptureTrack>();
  private sources: RtspSource[] = [];
  private codec: CodecClient | undefined;
  private take: WorkerTake | undefined;
  private warm = false;
  private wanted: { main: readonly number[]; small: readonly number[] } = { main: [], small: [] };
  private levels: Timer | undefined;
  private hold: Timer | undefined;
  private stateDue = false;
  private readonly timers: Timer[];

  constructor(options: WorkerOptions) {
    this.options = options;
    const { clock } = options;
    this.timers = [clock.every(POLL_MS, () => this.poll()), clock.every(1_000, () => this.eachSecond())];
  }

  get running(): { takeId: string; paused: boolean } | undefined {
    return this.take && { takeId: this.take.takeId, paused: this.take.paused };
  }

  async obey(order: ToWorker): Promise<void> {
    switch (order.kind) {
      case "configure":
        return this.configure(order.sources, order.codecSocket);
      case "warm":
        this.warm = order.on;
        return this.applySources();
      case "prepare":
        return this.prepare();
      case "record":
        return this.record(order);
      case "pause":
        return this.take?.pause();
      case "resume":
        this.take?.resume();
        return this.applyLive();
      case "stop":
        return this.stop();
      case "live":
        this.wanted = { main: order.main, small: order.small };
        return this.applySources();
      case "levels":
        return this.setLevels(order.on);
      case "end":
        return this.end();
    }
  }

  tellState(): void {
    this.stateDue = false;
    this.options.tell({ kind: "state", tracks: [...this.mains.values()].map((track) => track.report()) });
  }

  /** Closes all files and sources. */
  async end(): Promise<void> {
    await this.stop();
    for (const timer of [...this.timers, this.levels, this.hold]) timer?.cancel();
    await Promise.all(this.sources.map((source) => source.stop()));
    this.codec?.close();
  }

  private configure(specs: readonly SourceSpec[], codecSocket: string): void {
    this.codec ??= new CodecClient({ socketPath: codecSocket, clock: this.options.clock });
    const kept = specs.map((spec) => this.knownSources(spec));
    for (const source of this.sources) if (!kept.some((known) => known.includes(source))) void source.stop();
    const { codec } = this;
    this.sources = specs.flatMap((spec, at) => (kept[at]?.length ? kept[at] : [this.makeSource(spec, codec)]));
    this.applySources();
  }

  /**
   * What is received by this order already. An agent that was started again does not know at first where its devices are: what
   * the one before it knew stays, so that its death costs no picture.
   */
  private knownSources(spec: SourceSpec): RtspSource[] {
    const wanted = JSON.stringify(spec);
    const same = this.sources.filter((source) => JSON.stringify(source.spec) === wanted);
    if (same.length > 0 || spec.url !== undefined) return same;
    const numbers = spec.tracks.map(({ number }) => number);
    const known = this.sources.filter(
      ({ spec: { url, role, tracks } }) =>
        url !== undefined && role === spec.role && tracks.every(({ number }) => numbers.includes(number)),
    );
    const covered = known.flatMap(({ spec: { tracks } }) => tracks);
    return covered.length === numbers.length ? known : [];
  }

  private makeSource(spec: SourceSpec, codec: CodecClient): RtspSource {
    const { clock, log } = this.options;
    return new RtspSource({
      spec,
      tracks: spec.tracks.map((track) => ({ ...track, track: this.trackOf(spec, track) })),
      clock,
      log,
      codec,
    });
  }

  /** A track whose address has changed keeps its part of the take. */
  private trackOf(spec: SourceSpec, { id, number, kind }: SourceSpec["tracks"][number]): CaptureTrack {
    const { clock, live } = this.options;
    const small = spec.role === "small";
    const known = (small ? this.smalls : this.mains).get(number);
    if (known) return known;
    const track: CaptureTrack = new CaptureTrack({
      spec: { id, number, kind },
      clock,
      small,
      live,
      onState: () => this.sourceChanged(track),
    });
    (small ? this.smalls : this.mains).set(number, track);
    return track;
  }

  private applySources(): void {
    for (const source of this.sources) {
      const { spec } = source;
      const watched = spec.role === "small" ? this.wanted.small : this.wanted.main;
      const looked = spec.tracks.some((track) => watched.includes(track.number));
      if (spec.url === undefined) source.stayAway(spec.reason ?? "");
      else if (looked || (spec.role === "evidence" && (this.warm || this.take !== undefined))) source.start();
      else void source.stop();
    }
    this.applyLive();
  }

  private applyLive(): void {
    for (const [number, track] of this.mains) track.watch(this.wanted.main.includes(number));
    for (const [number, track] of this.smalls) track.watch(this.wanted.small.includes(number));
  }

  private prepare(): void {
    const { clock, tell } = this.options;
    const tracks = [...this.mains.values()];
    for (const track of tracks) track.ring.hold(true);
    this.hold?.cancel();
    this.hold = clock.after(HOLD_MS, () => this.release());
    const soundFromUs = clock.monoUs() - SOUND_BEFORE_US;
    const pictures = tracks.filter((track) => track.spec.kind === "video").flatMap((track) => track.ring.units.slice(0, 1));
    const sounds = tracks.flatMap((track) => track.ring.units.filter((unit) => unit.timeUs > soundFromUs).slice(0, 1));
    const oldest = (pictures.length > 0 ? pictures : sounds).map((unit) => unit.timeUs);
    tell({ kind: "prepared", oldestUs: oldest.length > 0 ? Math.min(...oldest) : null });
  }

  private release(): void {
    this.hold?.cancel();
    for (const track of this.mains.values()) track.ring.hold(false);
  }

  private record(order: RecordOrder): void {
    if (this.take && this.take.takeId !== order.takeId) throw new Error("another take is running");
    if (!this.take) {
      this.take = new WorkerTake({ ...this.options, order, tracks: [...this.mains.values()] });
      this.options.log.write("take begins", { take: order.takeId });
    }
    this.release();
    this.options.tell({ kind: "recording", takeId: order.takeId });
    this.applySources();
  }

  private async stop(): Promise<void> {
    const { take } = this;
    if (!take) return this.options.tell({ kind: "stopped", atUs: this.options.clock.monoUs(), at: [] });
    await take.stop();
    this.take = undefined;
    this.options.log.write("take ends", { take: take.takeId });
    this.applySources();
  }

  private setLevels(on: boolean): void {
    this.levels?.cancel();
    this.levels = on ? this.options.clock.every(LEVELS_MS, () => this.tellLevels()) : undefined;
    for (const track of this.mains.values()) track.setMetering(on);
  }

  private tellLevels(): void {
    const levels = [...this.mains.values()].flatMap((track): [number, number, number][] => {
      const loud = track.takeLevels();
      return loud ? [[track.spec.number, Math.round(loud.rmsDbfs * 10) / 10, Math.round(loud.peakDbfs * 10) / 10]] : [];
    });
    if (levels.length > 0) this.options.tell({ kind: "levels", levels });
  }

  private poll(): void {
    const nowUs = this.options.clock.monoUs();
    for (const track of this.mains.values()) track.poll(nowUs);
    for (const track of this.smalls.values()) track.poll(nowUs);
    this.take?.poll(nowUs);
    if (this.stateDue) this.tellState();
  }

  private eachSecond(): void {
    this.take?.flush();
    this.stateDue = true;
  }

  private sourceChanged(track: CaptureTrack): void {
    this.stateDue = true;
    if (this.mains.get(track.spec.number) === track) this.take?.sourceChanged(track);
  }
}
