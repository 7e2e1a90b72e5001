import type { PageClock } from "../clock.ts";
import type { Segment } from "./playlist.ts";

/** Asked for so often, ms: a parcel lasts a second. */
const askMs = 1_000;
/** After an answer that was none, ms. */
const againMs = 4_000;

/** What an answer had. */
export interface TailBytes {
  /** The segment's. */
  uri: string;
  bytes: ArrayBuffer;
  /** Their initialisation header, where they begin a segment. */
  mapUri: string | undefined;
  /** The hub knows of the segment; else it was not begun, or is finished and not listed yet. */
  known: boolean;
  /** Nothing will be added to the segment. */
  finished: boolean;
}

/**
 * The unfinished end of a running take's track: what the hub holds of the segment that grows, read on from where it was left. A segment
 * that was begun here is read here to its end, also once it is finished and listed: so no byte comes twice.
 */
export class Tail {
  private readonly playlistUrl: string;
  private readonly clock: PageClock;
  private segment = 0;
  private from = 0;
  private dueMs = 0;
  /** The hub held nothing more when it was last asked. */
  caughtUp = false;

  constructor(playlistUrl: string, clock: PageClock) {
    this.playlistUrl = playlistUrl;
    this.clock = clock;
  }

  /** The segment of which a part was read and a part is awaited. */
  get begun(): string | undefined {
    return this.from > 0 ? this.uri : undefined;
  }

  get due(): boolean {
    return this.clock.monoMs() >= this.dueMs;
  }

  /** Asks for what comes next: of the segment that was begun, else of the one behind the last of `listed`, whose bytes come from the list. */
  async read(listed: readonly Segment[], fetched: (url: string) => Promise<Response>): Promise<TailBytes> {
    if (this.from === 0) this.segment = Math.max(this.segment, 1 + listed.reduce((last, { uri }) => Math.max(last, numberOf(uri)), -1));
    this.dueMs = this.clock.monoMs() + askMs;
    const response = await fetched(`${this.uri}?from=${this.from}`);
    const stretch = response.headers.get("xiezhi-stretch");
    const finished = response.headers.has("xiezhi-finished");
    return {
      uri: this.uri,
      bytes: await response.arrayBuffer(),
      mapUri: this.from === 0 && stretch !== null ? this.beside(`${stretch}.init.mp4`) : undefined,
      known: stretch !== null || finished,
      finished,
    };
  }

  /** They are in memory. */
  took({ bytes, finished }: TailBytes): void {
    this.from = finished ? 0 : this.from + bytes.byteLength;
    this.caughtUp = !finished && bytes.byteLength === 0;
    if (!finished) return;
    this.segment++;
    this.dueMs = 0;
  }

  /** What was read of an unfinished segment is not joined any more: it comes from its beginning, or from the list. */
  drop(): void {
    this.from = 0;
    this.caughtUp = false;
  }

  /** It could not be had: what can't be had so comes with the list. */
  failed(): void {
    this.drop();
    this.caughtUp = true;
    this.dueMs = this.clock.monoMs() + againMs;
  }

  private get uri(): string {
    return this.beside(`${String(this.segment).padStart(6, "0")}.m4s`);
  }

  private beside(name: string): string {
    return new URL(name, this.playlistUrl).href;
  }
}

/** Of `…/000012.m4s`; -1 for what is no segment of the hub. */
function numberOf(uri: string): number {
  return Number(/\/(\d{6,8})\.m4s$/.exec(uri)?.[1] ?? -1);
}
