import type { PageClock } from "../clock.ts";
import { aheadS, nextFeedStep, presenceAt } from "./feeding.ts";
import { isLeftBehind, mostSteer, steer } from "./page-time.ts";
import { parsePlaylist, type Playlist } from "./playlist.ts";
import { Tail } from "./tail.ts";

/** An element is put where its track begins again so long before, seconds. */
const soonS = 3;
/** So long before the end of its bytes an element may stop: its decoder keeps some pictures back. Seconds. */
const runsDryS = 0.25;
/** A seek that takes longer is asked for again, ms. */
const forgottenMs = 4_000;

export interface TrackSource {
  playlistUrl: string;
  kind: "video" | "audio";
  /** UTC ms of take time 0. */
  zeroMs: number;
  /** RFC 6381 codec of a stretch, by the name of its initialisation header; undefined while the page does not know of it. */
  codecOf: (mapUri: string) => string | undefined;
}

/** What a track shows at the page's time. */
export type Showing = "picture" | "nothing" | "notYet" | "loading" | "unsupported" | "unreachable";

/**
 * One track of a take: its finished segments are appended around the play head, and near the end of a running take what the hub
 * holds of the open one, where their own time stamps put them: element time is take time.
 */
export class TrackPlayer {
  readonly element: HTMLMediaElement;
  private readonly source: TrackSource;
  private readonly clock: PageClock;
  private readonly media = new MediaSource();
  private readonly url: string;
  private readonly abort = new AbortController();
  private readonly inMemory = new Set<string>();
  private readonly gone = new Set<string>();
  private readonly playlistUrl: string;
  private readonly tail: Tail;
  private playlist: Playlist = { segments: [], ended: false };
  private buffer: SourceBuffer | undefined;
  private headerOf = "";
  private busy = false;
  private listed = false;
  private closed = false;
  private seekedTo: number | undefined;
  private seekingSinceMs: number | undefined;
  private trouble: "unsupported" | "unreachable" | undefined;
  showing: Showing = "loading";

  constructor(element: HTMLMediaElement, source: TrackSource, clock: PageClock) {
    this.element = element;
    this.clock = clock;
    this.source = source;
    this.playlistUrl = new URL(source.playlistUrl, location.origin).href;
    this.tail = new Tail(this.playlistUrl, clock);
    this.url = URL.createObjectURL(this.media);
    element.src = this.url;
    void this.refresh();
  }

  /** Reads the playlist again, as while the take still records. */
  async refresh(): Promise<void> {
    try {
      const response = await this.fetched(this.playlistUrl);
      this.playlist = parsePlaylist(await response.text(), this.playlistUrl, this.source.zeroMs);
      this.listed = true;
      this.gone.clear();
      if (this.trouble === "unreachable") this.trouble = undefined;
    } catch {
      if (!this.closed && !this.listed) this.trouble = "unreachable";
    }
  }

  /** End of what can be played, seconds of take time: listed, or read of the segment that grows. */
  get endS(): number {
    const { buffered } = this.element;
    return Math.max(this.listedEndS, buffered.length > 0 ? buffered.end(buffered.length - 1) : 0);
  }

  private get listedEndS(): number {
    return this.playlist.segments.reduce((end, it) => Math.max(end, it.startS + it.durationS), 0);
  }

  /** Whether the page must wait: this track has something at `atS` that can't be shown yet. */
  tick(atS: number, running: boolean): boolean {
    this.showing = this.show(atS, running);
    if (!this.busy && this.media.readyState === "open" && !this.trouble) void this.feed(atS, running);
    this.watchSeek(atS);
    if (this.showing !== "picture") return this.showing === "loading";
    // Not on readyState: what has run dry while playing stays so while it is paused, and the page would wait for ever.
    return this.element.seeking || isLeftBehind(this.element.currentTime - atS);
  }

  /** On a machine that is short of breath a browser may forget a seek; asked again, it comes. */
  private watchSeek(atS: number): void {
    if (!this.element.seeking) this.seekingSinceMs = undefined;
    else this.seekingSinceMs ??= this.clock.monoMs();
    if (this.seekingSinceMs === undefined || this.clock.monoMs() - this.seekingSinceMs < forgottenMs) return;
    this.seekingSinceMs = undefined;
    this.element.currentTime = atS;
  }

  /** The playlist has all that it will have: the hub's ledger copy trails its segments a little. */
  get listEnded(): boolean {
    return this.playlist.ended;
  }

  /** How far the playing element is ahead of the page, seconds; undefined while it is not playing, or stands before the end of its bytes. */
  aheadS(atS: number): number | undefined {
    const { element } = this;
    const plays = this.showing === "picture" && !element.paused && !element.seeking;
    return plays && covers(element.buffered, element.currentTime + runsDryS) ? element.currentTime - atS : undefined;
  }

  /** Holds the element to the page's time; while nothing is played it stands at that very picture. */
  hold(atS: number, rate: number, playing: boolean): void {
    const { element } = this;
    if (playing && this.showing === "picture") return this.run(atS, rate);
    if (!element.paused) element.pause();
    const standAtS = this.showing === "picture" ? atS : this.nextStartS(atS);
    if (standAtS === undefined || this.seekedTo === standAtS || element.seeking) return;
    element.currentTime = standAtS;
    this.seekedTo = standAtS;
  }

  close(): void {
    this.closed = true;
    this.abort.abort();
    this.element.removeAttribute("src");
    this.element.load();
    URL.revokeObjectURL(this.url);
  }

  /** Where this track begins again soon: the element waits there with its first picture decoded. */
  private nextStartS(atS: number): number | undefined {
    const { buffered } = this.element;
    for (let i = 0; i < buffered.length; i++)
      if (buffered.start(i) > atS) return buffered.start(i) < atS + soonS ? buffered.start(i) : undefined;
    return undefined;
  }

  private run(atS: number, rate: number): void {
    const { element } = this;
    this.seekedTo = undefined;
    if (element.seeking) return;
    const steering = steer(element.currentTime - atS, element.paused, rate, mostSteer[this.source.kind]);
    if (steering.do === "seek") element.currentTime = atS;
    else if (steering.do === "stand") element.pause();
    else {
      if (element.playbackRate !== steering.rate) element.playbackRate = steering.rate;
      if (element.paused) void element.play().catch(() => undefined);
    }
  }

  private show(atS: number, running: boolean): Showing {
    if (this.trouble) return this.trouble;
    if (this.element.error) return "unreachable";
    if (!this.listed) return "loading";
    if (covers(this.element.buffered, atS)) return "picture";
    const presence = presenceAt(this.playlist.segments, this.gone, this.grows(running), atS);
    if (presence === "notYet" && !this.tail.caughtUp) return "loading";
    if (presence !== "there") return presence;
    // All bytes of this time are in memory and still nothing is there: the gap lies within a segment.
    const loaded = this.playlist.segments.every(
      (it) => it.missing || it.startS > atS || it.startS + it.durationS < atS || this.inMemory.has(it.uri),
    );
    return loaded && !this.busy ? "nothing" : "loading";
  }

  private async feed(atS: number, running: boolean): Promise<void> {
    const step = nextFeedStep(this.playlist.segments, this.inMemory, this.gone, atS);
    if (step.do === "wait") return this.grows(running) && atS + aheadS >= this.listedEndS ? this.readTail() : undefined;
    this.busy = true;
    try {
      if (step.do === "remove") {
        for (const it of this.playlist.segments) if (it.startS >= step.fromS - 0.001 && it.startS < step.toS) this.inMemory.delete(it.uri);
        await this.change((buffer) => buffer.remove(step.fromS, step.toS));
        return;
      }
      const { uri, mapUri } = step.segment;
      // Parcels after it would not join those before it: pictures up to the next key frame would be dropped.
      this.leaveTail();
      if (!(await this.header(mapUri))) return;
      const bytes = await this.fetchBytes(uri);
      await this.change((buffer) => buffer.appendBuffer(bytes));
      this.inMemory.add(uri);
    } catch (error) {
      if (!this.closed && step.do === "append") this.failedOn(step.segment.uri, error);
    } finally {
      this.busy = false;
    }
  }

  /** The next parcels of the segment that grows; with the first of them it is in memory, as if it had been listed. */
  private async readTail(): Promise<void> {
    if (!this.tail.due) return;
    this.busy = true;
    try {
      const next = await this.tail.read(this.playlist.segments, (url) => this.fetched(url));
      const { uri, bytes, mapUri } = next;
      if (bytes.byteLength > 0) {
        if (mapUri !== undefined && !(await this.header(mapUri))) return;
        await this.change((buffer) => buffer.appendBuffer(bytes));
        this.inMemory.add(uri);
      }
      if (!next.known) await this.refresh();
      this.tail.took(next);
    } catch {
      this.leaveTail();
      this.tail.failed();
    } finally {
      this.busy = false;
    }
  }

  private leaveTail(): void {
    if (this.tail.begun !== undefined) this.inMemory.delete(this.tail.begun);
    this.tail.drop();
  }

  /** More of it comes: the take still records, or has ended in the midst of what was begun. */
  private grows(running: boolean): boolean {
    return running || this.tail.begun !== undefined;
  }

  private failedOn(uri: string, error: unknown): void {
    // A full buffer is tried again after old segments have gone; anything else counts as not there until the next playlist.
    if (error instanceof DOMException && error.name === "QuotaExceededError") return;
    this.gone.add(uri);
  }

  /** Whether what comes next is read by this header. */
  private async header(mapUri: string): Promise<boolean> {
    if (this.headerOf === mapUri) return true;
    const codec = this.source.codecOf(mapUri);
    if (codec === undefined) return false;
    const type = `${this.source.kind}/mp4; codecs="${codec}"`;
    if (!MediaSource.isTypeSupported(type)) {
      this.trouble = "unsupported";
      return false;
    }
    const bytes = await this.fetchBytes(mapUri);
    if (this.buffer) this.buffer.changeType(type);
    else {
      this.buffer = this.media.addSourceBuffer(type);
      this.media.duration = Number.POSITIVE_INFINITY;
    }
    await this.change((buffer) => buffer.appendBuffer(bytes));
    this.headerOf = mapUri;
    return true;
  }

  private async fetchBytes(uri: string): Promise<ArrayBuffer> {
    return (await this.fetched(uri)).arrayBuffer();
  }

  private async fetched(uri: string): Promise<Response> {
    const response = await fetch(uri, { signal: this.abort.signal, credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} ${uri}`);
    return response;
  }

  private change(act: (buffer: SourceBuffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const buffer = this.buffer;
      if (!buffer) return resolve();
      const events = new AbortController();
      const done = (fn: () => void) => () => {
        events.abort();
        fn();
      };
      buffer.addEventListener("updateend", done(resolve), { signal: events.signal });
      buffer.addEventListener(
        "error",
        done(() => reject(new Error("the browser refused these bytes"))),
        { signal: events.signal },
      );
      act(buffer);
    });
  }
}

function covers(ranges: TimeRanges, atS: number): boolean {
  for (let i = 0; i < ranges.length; i++) if (ranges.start(i) <= atS && atS < ranges.end(i)) return true;
  return false;
}
