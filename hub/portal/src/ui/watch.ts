import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import type { PageClock, Timer } from "../clock.ts";
import type { Stream, StreamListener } from "../socket.ts";
import { isRefusal, type Seen } from "./seen.ts";

const retryMs = { first: 500, most: 3_000 };

interface Opener {
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    listener: StreamListener<MessageShape<O>>,
  ): Stream;
}

interface WatchOptions<I extends DescMessage, O extends DescMessage, V> {
  socket: Opener;
  clock: PageClock;
  method: DescMethodServerStreaming<I, O>;
  request: MessageInitShape<I>;
  /** The value a message carries; undefined: the message proves the last value and changes nothing. */
  pick: (message: MessageShape<O>) => V | undefined;
}

/** One watched thing: its last value, when it was proven, and whether it still is. Opens its stream again by itself. */
export class Watch<I extends DescMessage, O extends DescMessage, V> {
  private readonly options: WatchOptions<I, O, V>;
  private readonly listeners = new Set<() => void>();
  private seen: Seen<V> = { state: "loading" };
  private stream: Stream | undefined;
  private retry: Timer | undefined;
  private retryInMs = retryMs.first;
  private heardAtMonoMs = 0;
  private heardAtMs: number;

  constructor(options: WatchOptions<I, O, V>) {
    this.options = options;
    this.heardAtMs = options.clock.nowMs();
  }

  readonly snapshot = (): Seen<V> => this.seen;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.open();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.close();
    };
  };

  /** How long ago the watched side itself was last heard on this stream, ms; the server's pulse doesn't count. */
  heardAgoMs(): number {
    return this.seen.state === "loading" ? Number.POSITIVE_INFINITY : this.options.clock.monoMs() - this.heardAtMonoMs;
  }

  private open(): void {
    const { socket, method, request } = this.options;
    this.stream = socket.open(method, request, {
      message: (message) => this.message(message),
      failed: (error) => this.failed(error),
      ended: () => this.lost(undefined),
      heard: (heard) => this.heard(heard),
    });
  }

  private close(): void {
    this.stream?.cancel();
    this.stream = undefined;
    this.retry?.cancel();
  }

  private message(message: MessageShape<O>): void {
    const { clock, pick } = this.options;
    this.heardAtMs = clock.nowMs();
    this.heardAtMonoMs = clock.monoMs();
    this.retryInMs = retryMs.first;
    const value = pick(message);
    if (value !== undefined) this.set({ state: "live", value, provenAtMs: this.heardAtMs });
    else if (this.seen.state === "stale" && this.seen.value !== undefined)
      this.set({ state: "live", value: this.seen.value, provenAtMs: this.heardAtMs });
  }

  private failed(error: XiezhiError): void {
    if (isRefusal(error)) return this.set({ state: "refused", error });
    this.lost(error);
  }

  /** The stream is over and will be opened again. */
  private lost(error: XiezhiError | undefined): void {
    this.stale(error);
    this.retry?.cancel();
    this.retry = this.options.clock.after(this.retryInMs, () => this.open());
    this.retryInMs = Math.min(this.retryInMs * 2, retryMs.most);
  }

  private heard(heard: boolean): void {
    if (!heard) return this.stale(undefined);
    // The connection stood through a silence: what the stream last said holds until it says otherwise.
    if (this.seen.state === "stale" && this.seen.value !== undefined && !this.seen.error)
      this.set({ state: "live", value: this.seen.value, provenAtMs: this.options.clock.nowMs() });
  }

  private stale(error: XiezhiError | undefined): void {
    if (this.seen.state === "refused") return;
    const value = this.seen.state === "loading" ? undefined : this.seen.value;
    const known = this.seen.state === "stale" ? this.seen.error : undefined;
    this.set({ state: "stale", value, sinceMs: this.heardAtMs, error: error ?? known });
  }

  private set(seen: Seen<V>): void {
    this.seen = seen;
    for (const listener of this.listeners) listener();
  }
}
