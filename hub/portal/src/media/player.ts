import type { PageClock, Timer } from "../clock.ts";
import { followedS, PageTime } from "./page-time.ts";
import { type Showing, TrackPlayer, type TrackSource } from "./track-player.ts";

const tickMs = 40;
const drawS = 0.1;
/** While the take still records, and until they say that they are whole, playlists are read again this often. */
const refreshMs = 4_000;
/** A track that keeps the page waiting longer than this is left behind until it has caught up. */
const patienceMs = 15_000;
/** Who goes to the end sees the last picture, not what stood there before: tracks end within this time of each other, seconds. */
const lastPictureS = 0.2;
/** Who goes to the end of a running take stands so far before what is held: tracks come in parcels of a second, not all at once. Seconds. */
const headroomS = 2;
/** Who follows a running take and is farther from there than this goes there again, seconds. */
const followsWithinS = 4;
/** Where a page waits for more of a running take it stands so far before the end, in a picture, not behind it. Seconds. */
const waitsBeforeS = 0.12;
/** A track that ends so far before the others is not waited for: it has stopped, they have not. */
const stoppedS = 3;

export interface PlayerState {
  atS: number;
  playing: boolean;
  waiting: boolean;
  rate: number;
  /** Where what can be played ends by now, seconds of take time. */
  endS: number;
  /** Follows the end of a take that records. */
  following: boolean;
  /** How old what is shown of a take that records is at least, whole seconds: grows by itself while nothing is heard of the room. */
  behindS: number | undefined;
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
  /** Neither paused nor ended. */
  recording: boolean;
  lengthS: number;
  /** Through which take time the hub holds its bytes, seconds. */
  heldS: number;
  skips: readonly Skip[];
  /** Finished segments that the hub holds: more of them after its end, and the playlists are read again. */
  segments: number;
  /** RFC 6381 codec of a track's stretch, by the address of its initialisation header. */
  codecOf: (track: number, mapUri: string) => string | undefined;
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
  private following = false;
  /** When the take's length was last heard to have grown. */
  private grewAtMs: number;
  private waitingSinceMs: number | undefined;
  private take: KnownTake;
  private state: PlayerState;

  constructor(clock: PageClock, take: KnownTake) {
    this.clock = clock;
    this.take = take;
    this.time = new PageTime(clock);
    this.grewAtMs = clock.monoMs();
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
    if (before.lengthS !== take.lengthS) this.grewAtMs = this.clock.monoMs();
    if (before.running !== take.running || (!take.running && before.segments !== take.segments))
      for (const track of this.tracks.values()) void track.refresh();
  }

  play(playing: boolean): void {
    if (playing) void this.sound.resume();
    if (playing && !this.take.running && this.time.atS >= this.latestS - 0.05) this.time.seek(0);
    this.playing = playing;
    this.following &&= playing;
    this.tick();
  }

  seek(atS: number): void {
    this.following = false;
    this.go(Math.min(atS, Math.max(this.latestS, this.time.atS)));
  }

  /** Goes to the end and stays there while the take records. */
  follow(): void {
    if (this.time.atS < this.latestS) this.go(this.latestS);
    this.following = this.take.running;
    this.play(true);
  }

  setRate(rate: number): void {
    this.following = false;
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

  /** Of a running take where all tracks that go on have something: so the play head never runs into one that comes a parcel later. */
  private get endS(): number {
    const { running, lengthS } = this.take;
    const ends = [...this.tracks.values()].map((it) => it.endS);
    const latest = Math.max(0, ...ends);
    if (!running) return Math.max(latest, lengthS);
    return Math.max(0, Math.min(latest, ...ends.filter((it) => it > latest - stoppedS)) - waitsBeforeS);
  }

  private get latestS(): number {
    const { running, heldS } = this.take;
    if (!running) return Math.max(0, this.endS - lastPictureS);
    // What the page has not read yet is only gone to from far away.
    return (heldS - this.endS > followsWithinS ? heldS : this.endS) - headroomS;
  }

  private get behindS(): number | undefined {
    const { recording, lengthS } = this.take;
    return recording ? Math.round(lengthS + (this.clock.monoMs() - this.grewAtMs) / 1e3 - this.time.atS) : undefined;
  }

  private connect(element: HTMLMediaElement): GainNode {
    const gain = this.sound.createGain();
    this.sound.createMediaElementSource(element).connect(gain).connect(this.sound.destination);
    return gain;
  }

  private refresh(): void {
    for (const track of this.tracks.values()) if (this.take.running || !track.listEnded) void track.refresh();
  }

  private go(atS: number): void {
    this.time.seek(Math.max(0, atS));
    this.waitingSinceMs = undefined;
    this.tick();
  }

  private tick(): void {
    const skip = this.take.skips.find((it) => it.fromS <= this.time.atS && this.time.atS < it.toS);
    if (skip && this.playing) this.time.seek(skip.toS);
    const atS = this.time.atS;
    const missing = [...this.tracks.values()].map((track) => track.tick(atS, this.take.running)).some(Boolean);
    const atEnd = atS >= (this.take.running ? this.endS : this.latestS);
    if (atEnd && this.playing && !this.take.running) this.playing = false;
    const waiting = this.mustWait(missing) || atEnd;
    const runs = this.playing && !waiting;
    this.time.run(runs);
    // Of a running take the end comes to where somebody went; of another the last picture stays.
    if (atEnd && !this.take.running) this.time.seek(this.latestS);
    if (runs) this.followElements();
    // To what was read, and not while it waits: a machine that is slow to get there would never arrive.
    const nearS = this.endS - headroomS;
    if (runs && this.following && nearS - this.time.atS > followsWithinS) this.time.seek(nearS);
    for (const track of this.tracks.values()) track.hold(this.time.atS, this.time.rate, this.playing);
    this.tell(this.present());
  }

  /** Pages draw ten times a second; what changes beside the time is told at once. */
  private tell(next: PlayerState): void {
    const { state } = this;
    const same = (["playing", "waiting", "rate", "endS", "following", "behindS"] as const).every((key) => state[key] === next[key]);
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
      following: this.following && this.take.running,
      behindS: this.behindS,
      showing: new Map([...this.tracks].map(([number, track]) => [number, track.showing])),
    };
  }
}
