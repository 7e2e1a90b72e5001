import type { PageClock } from "../clock.ts";
import { nextFeedStep, presenceAt } from "./feeding.ts";
import { isLeftBehind, mostSteer, steer } from "./page-time.ts";
import { parsePlaylist, type Playlist } from "./playlist.ts";

/** An element is put where its track begins again so long before, seconds. */
const soonS = 3;
/** A seek that takes longer is asked for again, ms. */
const forgottenMs = 4_000;

export interface TrackSource {
  playlistUrl: string;
  kind: "video" | "audio";
  /** UTC ms of take time 0. */
  zeroMs: number;
  /** RFC 6381 codec of a stretch, by the name of its initialisation header. */
  codecOf: (mapUri: string) => string;
}

/** What a track shows at the page's time. */
export type Showing = "picture" | "nothing" | "notYet" | "loading" | "unsupported" | "unreachable";

/** One track of a take: its finished segments are appended around the play head, where their own time stamps put them: element time is take time. */
export class TrackPlayer {
  readonly element: HTMLMediaElement;
  private readonly source: TrackSource;
  private readonly clock: PageClock;
  private readonly media = new MediaSource();
  private readonly url: string;
  private readonly abort = new AbortController();
  private readonly inMemory = new Set<string>();
  private readonly gone = new Set<string>();
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
    this.url = URL.createObjectURL(this.media);
    element.src = this.url;
    void this.refresh();
  }

  /** Reads the playlist again, as while the take still records. */
  async refresh(): Promise<void> {
    try {
      const response = await fetch(this.source.playlistUrl, { signal: this.abort.signal, credentials: "same-origin" });
      if (!response.ok) throw new Error(String(response.status));
      this.playlist = parsePlaylist(await response.text(), new URL(this.source.playlistUrl, location.origin).href, this.source.zeroMs);
      this.listed = true;
      this.gone.clear();
      if (this.trouble === "unreachable") this.trouble = undefined;
    } catch {
      if (!this.closed && !this.listed) this.trouble = "unreachable";
    }
  }

  /** End of what can be played, seconds of take time. */
  get endS(): number {
    return this.playlist.segments.reduce((end, it) => Math.max(end, it.startS + it.durationS), 0);
  }

  /** Whether the page must wait: this track has something at `atS` that can't be shown yet. */
  tick(atS: number, running: boolean): boolean {
    this.showing = this.show(atS, running);
    if (!this.busy && this.media.readyState === "open" && !this.trouble) void this.feed(atS);
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

  /** How far the playing element is ahead of the page, seconds; undefined while it is not playing. */
  aheadS(atS: number): number | undefined {
    const { element } = this;
    return this.showing === "picture" && !element.paused && !element.seeking ? element.currentTime - atS : undefined;
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
    const presence = presenceAt(this.playlist.segments, this.gone, running, atS);
    if (presence !== "there") return presence;
    // All bytes of this time are in memory and still nothing is there: the gap lies within a segment.
    const loaded = this.playlist.segments.every(
      (it) => it.missing || it.startS > atS || it.startS + it.durationS < atS || this.inMemory.has(it.uri),
    );
    return loaded && !this.busy ? "nothing" : "loading";
  }

  private async feed(atS: number): Promise<void> {
    const step = nextFeedStep(this.playlist.segments, this.inMemory, this.gone, atS);
    if (step.do === "wait") return;
    this.busy = true;
    try {
      if (step.do === "remove") {
        for (const it of this.playlist.segments) if (it.startS >= step.fromS - 0.001 && it.startS < step.toS) this.inMemory.delete(it.uri);
        await this.change((buffer) => buffer.remove(step.fromS, step.toS));
        return;
      }
      const { uri, mapUri } = step.segment;
      const bytes = await this.fetchBytes(uri);
      if (this.headerOf !== mapUri && !(await this.header(mapUri))) return;
      await this.change((buffer) => buffer.appendBuffer(bytes));
      this.inMemory.add(uri);
    } catch (error) {
      if (!this.closed && step.do === "append") this.failedOn(step.segment.uri, error);
    } finally {
      this.busy = false;
    }
  }

  private failedOn(uri: string, error: unknown): void {
    // A full buffer is tried again after old segments have gone; anything else counts as not there until the next playlist.
    if (error instanceof DOMException && error.name === "QuotaExceededError") return;
    this.gone.add(uri);
  }

  private async header(mapUri: string): Promise<boolean> {
    const type = `${this.source.kind}/mp4; codecs="${this.source.codecOf(mapUri)}"`;
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
    const response = await fetch(uri, { signal: this.abort.signal, credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} ${uri}`);
    return response.arrayBuffer();
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
