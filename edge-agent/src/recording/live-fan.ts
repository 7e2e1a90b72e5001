import { LIVE_HEADER, LIVE_KEY, LIVE_SMALL, type LiveFrame } from "@xiezhi/media/capture/wire.ts";
import type { LivePiece } from "./recording.model.ts";

/** What a viewer may have waiting; beyond it he loses chunks up to the next key frame. */
const BACKLOG_BYTES = 6 * 1024 * 1024;

interface Cached {
  header: LivePiece | undefined;
  /** Chunks since the last key frame: what a new viewer begins with. */
  group: LivePiece[];
}

/** A track as it is viewed: main or second stream. */
type View = `${number}/${"main" | "small"}`;

class Viewer {
  readonly views: ReadonlySet<View>;
  ended = false;
  private queue: LivePiece[] = [];
  private bytes = 0;
  private readonly stalled = new Set<View>();
  private wake: (() => void) | undefined;

  constructor(views: ReadonlySet<View>) {
    this.views = views;
  }

  push(view: View, piece: LivePiece): void {
    if (piece.kind === "chunk") {
      if (this.bytes > BACKLOG_BYTES) this.drop();
      if (this.stalled.has(view) && !piece.key) return;
      this.stalled.delete(view);
      this.bytes += piece.data.length;
    }
    this.queue.push(piece);
    this.wake?.();
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  async *pieces(): AsyncGenerator<LivePiece> {
    while (!this.ended) {
      const { queue } = this;
      this.queue = [];
      this.bytes = 0;
      yield* queue;
      if (this.queue.length > 0 || this.ended) continue;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
  }

  /** Headers stay: what comes after the next key frame needs them. */
  private drop(): void {
    for (const view of this.views) this.stalled.add(view);
    this.queue = this.queue.filter((piece) => piece.kind === "header");
    this.bytes = 0;
  }
}

/** Hands live pieces from the capture workers to all who look, and says what is looked at. */
export class LiveFan {
  private readonly viewers = new Set<Viewer>();
  private readonly cache = new Map<View, Cached>();
  private readonly announced = new Map<View, { codec: string; timescale: number }>();
  private readonly onWanted: () => void;

  constructor(onWanted: () => void) {
    this.onWanted = onWanted;
  }

  /** Track numbers that somebody looks at. */
  get wanted(): { main: number[]; small: number[] } {
    const views = new Set([...this.viewers].flatMap((viewer) => [...viewer.views]));
    const of = (stream: string) => [...views].filter((view) => view.endsWith(stream)).map((view) => Number.parseInt(view, 10));
    return { main: of("/main"), small: of("/small") };
  }

  async *watch(views: readonly { number: number; small: boolean }[], signal: AbortSignal): AsyncGenerator<LivePiece> {
    if (signal.aborted) return;
    const viewer = new Viewer(new Set(views.map(({ number, small }) => viewOf(number, small))));
    const end = () => viewer.end();
    signal.addEventListener("abort", end, { once: true });
    for (const view of viewer.views) {
      const cached = this.cache.get(view);
      if (cached?.header) for (const piece of [cached.header, ...cached.group]) viewer.push(view, piece);
    }
    this.viewers.add(viewer);
    this.onWanted();
    try {
      yield* viewer.pieces();
    } finally {
      signal.removeEventListener("abort", end);
      this.viewers.delete(viewer);
      this.forget();
      this.onWanted();
    }
  }

  announce(number: number, small: boolean, codec: string, timescale: number): void {
    this.announced.set(viewOf(number, small), { codec, timescale });
  }

  receive({ number, flags, arrivedUtcUs, bytes }: LiveFrame): void {
    const view = viewOf(number, (flags & LIVE_SMALL) !== 0);
    const cached = this.cache.get(view) ?? { header: undefined, group: [] };
    this.cache.set(view, cached);
    const key = (flags & LIVE_KEY) !== 0;
    const piece: LivePiece =
      (flags & LIVE_HEADER) !== 0
        ? { kind: "header", number, codec: "", timescale: 1, ...this.announced.get(view), header: bytes }
        : { kind: "chunk", number, key, arrivedUtcUs, data: bytes };
    if (piece.kind === "header") cached.header = piece;
    if (piece.kind === "header" || key) cached.group = [];
    if (piece.kind === "chunk") cached.group.push(piece);
    for (const viewer of this.viewers) if (viewer.views.has(view)) viewer.push(view, piece);
  }

  /** The worker behind these tracks is gone: what is cached of them is history. */
  lose(numbers: readonly number[]): void {
    for (const number of numbers) for (const small of [false, true]) this.cache.delete(viewOf(number, small));
  }

  /** All views end: at pause and when the agent stops. */
  closeAll(): void {
    for (const viewer of this.viewers) viewer.end();
    this.viewers.clear();
    this.cache.clear();
    this.onWanted();
  }

  private forget(): void {
    for (const view of this.cache.keys()) if (![...this.viewers].some((viewer) => viewer.views.has(view))) this.cache.delete(view);
  }
}

function viewOf(number: number, small: boolean): View {
  return `${number}/${small ? "small" : "main"}`;
}
