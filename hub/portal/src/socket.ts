import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { ClientFrameSchema, type ServerFrame, ServerFrameSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import type { PageClock, Timer } from "./clock.ts";
import { errorOf, linkLost } from "./failures.ts";

/** The server pulses each second; after this long without a frame nothing shown is proven any more. */
const silentMs = 3_000;
/** And after this long the connection is given up and dialled again. */
const deadMs = 6_000;
const retryMs = { first: 250, most: 3_000 };
/** A page that moves from one watch to the next keeps its connection. */
const lingerMs = 2_000;

export interface StreamListener<O> {
  message(message: O): void;
  /** The server ended the stream with an error; the socket does not open it again. */
  failed(error: XiezhiError): void;
  /** The server ended the stream without one. */
  ended(): void;
  /** Nothing is heard any more (`false`), or frames come again (`true`); a watch is opened again by the socket. */
  heard?(heard: boolean): void;
}

export interface Stream {
  cancel(): void;
}

interface Entry {
  method: string;
  request: Uint8Array;
  /** Open again after the connection was lost. A command is not: only its caller knows whether to repeat it. */
  reopen: boolean;
  message(bytes: Uint8Array): void;
  failed(error: XiezhiError): void;
  ended(): void;
  heard(heard: boolean): void;
}

/** What the multiplexer needs of a browser's WebSocket. */
export interface Wire {
  binaryType: string;
  readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** The page's one WebSocket: server streams of any service side by side (xiezhi.sockets.v1). */
export class Socket {
  private readonly options: { clock: PageClock; dial: () => Wire; refused?: () => void };
  private readonly streams = new Map<number, Entry>();
  private nextStream = 1;
  private wire: Wire | undefined;
  private opened = false;
  private heardAtMs = 0;
  private silent = false;
  private retryInMs = retryMs.first;
  private watchdog: Timer | undefined;
  private pending: Timer | undefined;

  /** `refused` is told when a connection could not be opened: perhaps nobody is signed in any more. */
  constructor(options: { clock: PageClock; dial: () => Wire; refused?: () => void }) {
    this.options = options;
  }

  /** Opens a stream; `reopen` for watches, whose first message is the present state. */
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    listener: StreamListener<MessageShape<O>>,
    reopen = true,
  ): Stream {
    const id = this.nextStream++;
    const entry: Entry = {
      method: `${method.parent.typeName}/${method.name}`,
      request: toBinary(method.input, create(method.input, request)),
      reopen,
      message: (bytes) => listener.message(fromBinary(method.output, bytes)),
      failed: (error) => listener.failed(error),
      ended: () => listener.ended(),
      heard: (heard) => listener.heard?.(heard),
    };
    this.streams.set(id, entry);
    this.pending?.cancel();
    if (!this.wire) this.dial();
    else if (this.opened) this.sendOpen(id, entry);
    return { cancel: () => this.cancel(id) };
  }

  /** Ends everything, as at log-out; the next `open` dials again. */
  close(): void {
    this.pending?.cancel();
    this.streams.clear();
    this.hangUp();
  }

  private dial(): void {
    const wire = this.options.dial();
    this.wire = wire;
    this.opened = false;
    this.heardAtMs = this.options.clock.monoMs();
    wire.binaryType = "arraybuffer";
    wire.onopen = () => {
      this.opened = true;
      this.heardAtMs = this.options.clock.monoMs();
      for (const [id, entry] of this.streams) this.sendOpen(id, entry);
    };
    wire.onmessage = (event) => this.received(event.data);
    wire.onclose = () => this.lost();
    this.watchdog ??= this.options.clock.every(500, () => this.watch());
  }

  private received(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return;
    this.heardAtMs = this.options.clock.monoMs();
    let frame: ServerFrame;
    try {
      frame = fromBinary(ServerFrameSchema, new Uint8Array(data));
    } catch {
      return this.lost();
    }
    this.retryInMs = retryMs.first;
    if (this.silent) this.setSilent(false);
    const entry = this.streams.get(frame.stream);
    if (entry) this.deliver(frame, entry);
  }

  private deliver(frame: ServerFrame, entry: Entry): void {
    switch (frame.what.case) {
      case "message":
        return entry.message(frame.what.value);
      case "failure":
        this.streams.delete(frame.stream);
        return entry.failed(errorOf(frame.what.value));
      case "end":
        this.streams.delete(frame.stream);
        return entry.ended();
      default:
    }
  }

  private watch(): void {
    const agoMs = this.options.clock.monoMs() - this.heardAtMs;
    if (agoMs > silentMs && !this.silent) this.setSilent(true);
    if (agoMs > deadMs && this.wire) this.lost();
  }

  private setSilent(silent: boolean): void {
    this.silent = silent;
    for (const entry of this.streams.values()) entry.heard(!silent);
  }

  private lost(): void {
    const neverOpened = !this.opened;
    this.hangUp();
    if (!this.silent) this.setSilent(true);
    const commands = [...this.streams].filter(([, entry]) => !entry.reopen);
    for (const [id, entry] of commands) {
      this.streams.delete(id);
      entry.failed(linkLost());
    }
    if (neverOpened) this.options.refused?.();
    if (this.streams.size === 0) return;
    this.pending?.cancel();
    this.pending = this.options.clock.after(this.retryInMs, () => this.dial());
    this.retryInMs = Math.min(this.retryInMs * 2, retryMs.most);
  }

  private cancel(id: number): void {
    if (!this.streams.delete(id)) return;
    if (this.opened) this.send(id, { case: "cancel", value: {} });
    if (this.streams.size > 0) return;
    this.pending?.cancel();
    this.pending = this.options.clock.after(lingerMs, () => this.hangUp());
  }

  private hangUp(): void {
    const wire = this.wire;
    this.wire = undefined;
    this.opened = false;
    this.watchdog?.cancel();
    this.watchdog = undefined;
    if (!wire) return;
    wire.onopen = wire.onmessage = wire.onclose = null;
    wire.close();
  }

  private sendOpen(id: number, entry: Entry): void {
    this.send(id, { case: "open", value: { method: entry.method, request: entry.request } });
  }

  private send(stream: number, what: NonNullable<MessageInitShape<typeof ClientFrameSchema>["what"]>): void {
    this.wire?.send(toBinary(ClientFrameSchema, create(ClientFrameSchema, { stream, what })));
  }
}
