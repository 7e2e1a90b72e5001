import { nextFeedStep, presenceAt } from "./feeding.ts";
import { steer } from "./page-time.ts";
import { parsePlaylist, type Playlist } from "./playlist.ts";

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
  private trouble: "unsupported" | "unreachable" | undefined;
  showing: Showing = "loading";

  constructor(element: HTMLMediaElement, source: TrackSource) {
    this.element = element;
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

  /** The page must wait: this track has something at `atS` that is not in memory yet. */
  tick(atS: number, running: boolean): boolean {
    this.showing = this.show(atS, running);
    if (!this.busy && this.media.readyState === "open" && !this.trouble) void this.feed(atS);
    return this.showing === "loading";
  }

  /** Holds the element to the page's time. */
  hold(atS: number, rate: number, playing: boolean): void {
    const { element } = this;
    if (this.showing !== "picture" || !playing) {
      if (!element.paused) element.pause();
      if (this.showing === "picture" && this.seekedTo !== atS && !element.seeking) this.seek(atS);
      return;
    }
    this.seekedTo = undefined;
    if (element.seeking) return;
    const steering = steer(element.currentTime, atS, rate);
    if ("seekToS" in steering) element.currentTime = steering.seekToS;
    else if (element.playbackRate !== steering.rate) element.playbackRate = steering.rate;
    if (element.paused) void element.play().catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    this.abort.abort();
    this.element.removeAttribute("src");
    this.element.load();
    URL.revokeObjectURL(this.url);
  }

  private seek(atS: number): void {
    this.element.currentTime = atS;
    this.seekedTo = atS;
  }

  private show(atS: number, running: boolean): Showing {
    if (this.trouble) return this.trouble;
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
