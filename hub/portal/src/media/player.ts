import type { PageClock, Timer } from "../clock.ts";
import { followedS, PageTime } from "./page-time.ts";
import { type Showing, TrackPlayer, type TrackSource } from "./track-player.ts";

const tickMs = 40;
const drawS = 0.1;
/** While the take still records, playlists are read again this often. */
const refreshMs = 4_000;
/** A track that keeps the page waiting longer than this is left behind until it has caught up. */
const patienceMs = 15_000;
/** Who goes to the end sees the last picture, not what stood there before: tracks end within this time of each other, seconds. */
const lastPictureS = 0.2;

export interface PlayerState {
  atS: number;
  playing: boolean;
  waiting: boolean;
  rate: number;
  /** Where finished segments end, seconds of take time. */
  endS: number;
  showing: ReadonlyMap<number, Showing>;
}

/** A closed interval of take time in which there is nothing by law: playing goes on behind it. */
export interface Skip {
  fromS: number;
  toS: number;
}

/** What a player knows of its take, which may grow, pause and end while it is played. */
export interface KnownTake {
  running: boolean;
  lengthS: number;
  skips: readonly Skip[];
  /** Finished segments that the hub holds: more of them, and the playlists are read again. */
  segments: number;
  /** RFC 6381 codec of a track's stretch, by the address of its initialisation header. */
  codecOf: (track: number, mapUri: string) => string;
}

/** All cameras and microphones of a take, held to one page time; microphones go through Web Audio, each with its own volume. */
export class Player {
  private readonly clock: PageClock;
  private readonly time: PageTime;
  private readonly tracks = new Map<number, TrackPlayer>();
  private readonly gains = new Map<number, GainNode>();
  private readonly listeners = new Set<() => void>();
  private readonly timers: Timer[];
  private readonly sound = new AudioContext();
  private playing = false;
  private waitingSinceMs: number | undefined;
  private take: KnownTake;
  private state: PlayerState;

  constructor(clock: PageClock, take: KnownTake) {
    this.clock = clock;
    this.take = take;
    this.time = new PageTime(clock);
    this.state = this.present();
    this.timers = [clock.every(tickMs, () => this.tick()), clock.every(refreshMs, () => this.refresh())];
  }

  /** Plays a track in an element until the returned function is called. An element can be given once only: Web Audio keeps it. */
  attach(number: number, element: HTMLMediaElement, source: Omit<TrackSource, "codecOf">): () => void {
    const track = new TrackPlayer(element, { ...source, codecOf: (mapUri) => this.take.codecOf(number, mapUri) }, this.clock);
    this.tracks.set(number, track);
    if (source.kind === "audio") this.gains.set(number, this.connect(element));
    return () => {
      track.close();
      this.tracks.delete(number);
    };
  }

  readonly snapshot = (): PlayerState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  know(take: KnownTake): void {
    const before = this.take;
    this.take = take;
    if (before.running !== take.running || before.segments !== take.segments)
      for (const track of this.tracks.values()) void track.refresh();
  }

  play(playing: boolean): void {
    if (playing) void this.sound.resume();
    if (playing && !this.take.running && this.time.atS >= this.endS - 0.05) this.time.seek(0);
    this.playing = playing;
    this.tick();
  }

  seek(atS: number): void {
    const latestS = this.take.running ? this.endS : this.endS - lastPictureS;
    this.time.seek(Math.max(0, Math.min(atS, latestS)));
    this.waitingSinceMs = undefined;
    this.tick();
  }

  setRate(rate: number): void {
    this.time.setRate(rate);
    this.tick();
  }

  /** Loudness of a microphone in this page's mix, 0 to 1; the recording is not touched. */
  setVolume(number: number, volume: number): void {
    const gain = this.gains.get(number);
    gain?.gain.setTargetAtTime(volume, this.sound.currentTime, 0.015);
  }

  close(): void {
    for (const timer of this.timers) timer.cancel();
    void this.sound.close();
  }

  private get endS(): number {
    const listed = Math.max(0, ...[...this.tracks.values()].map((it) => it.endS));
    return this.take.running ? listed : Math.max(listed, this.take.lengthS);
  }

  private connect(element: HTMLMediaElement): GainNode {
    const gain = this.sound.createGain();
    this.sound.createMediaElementSource(element).connect(gain).connect(this.sound.destination);
    return gain;
  }

  private refresh(): void {
    if (this.take.running) for (const track of this.tracks.values()) void track.refresh();
  }

  private tick(): void {
    const skip = this.take.skips.find((it) => it.fromS <= this.time.atS && this.time.atS < it.toS);
    if (skip && this.playing) this.time.seek(skip.toS);
    const atS = this.time.atS;
    const missing = [...this.tracks.values()].map((track) => track.tick(atS, this.take.running)).some(Boolean);
    const atEnd = atS >= this.endS;
    if (atEnd && this.playing && !this.take.running) this.playing = false;
    const waiting = this.mustWait(missing) || atEnd;
    const runs = this.playing && !waiting;
    this.time.run(runs);
    if (atEnd && atS > this.endS) this.time.seek(this.endS);
    if (runs) this.followElements();
    for (const track of this.tracks.values()) track.hold(this.time.atS, this.time.rate, this.playing && !atEnd);
    this.tell(this.present());
  }

  /** Pages draw ten times a second; what changes beside the time is told at once. */
  private tell(next: PlayerState): void {
    const { state } = this;
    const same = (["playing", "waiting", "rate", "endS"] as const).every((key) => state[key] === next[key]);
    const shown = [...next.showing].every(([number, showing]) => state.showing.get(number) === showing);
    if (same && shown && Math.abs(next.atS - state.atS) < drawS && next.playing) return;
    if (same && shown && next.atS === state.atS) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }

  /** What the machine can play sets the pace: where all elements fall behind together, the page's time goes with them. */
  private followElements(): void {
    const { atS } = this.time;
    const ahead = [...this.tracks.values()].map((track) => track.aheadS(atS)).filter((it) => it !== undefined);
    this.time.seek(atS + followedS(ahead));
  }

  private mustWait(missing: boolean): boolean {
    if (!missing) {
      this.waitingSinceMs = undefined;
      return false;
    }
    this.waitingSinceMs ??= this.clock.monoMs();
    return this.clock.monoMs() - this.waitingSinceMs < patienceMs;
  }

  private present(): PlayerState {
    return {
      atS: this.time.atS,
      playing: this.playing,
      waiting: this.waitingSinceMs !== undefined,
      rate: this.time.rate,
      endS: this.endS,
      showing: new Map([...this.tracks].map(([number, track]) => [number, track.showing])),
    };
  }
}
