import { createConnection, type Socket } from "node:net";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { FrameReader, jsonFrame } from "../framing.ts";
import { type FromCodec, LEVELS, readLevels, readSound, SOUND, soundFrame, type ToCodec } from "./wire.ts";

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 1_000;

/** What opens a stream, without its number. */
type Numberless<T> = T extends { kind: "close" } ? never : Omit<T, "stream">;
export type OpenOrder = Numberless<ToCodec>;

/** One who has a stream at the codec worker. */
export interface StreamUser {
  /** The codec worker is there and knows nothing of this stream: open it and send what it needs. */
  connected(): void;
  /** All its streams are gone with it. */
  disconnected(): void;
  /** It would not open the stream, or the stream has ended by itself. */
  failed(): void;
  sound?(at: number, bytes: Buffer): void;
  levels?(levels: { rmsDbfs: number; peakDbfs: number }): void;
}

/** The connection to the codec worker, made again and again. */
export class CodecLink {
  private readonly path: string;
  private readonly clock: Clock;
  private readonly users = new Set<StreamUser>();
  private readonly byStream = new Map<number, StreamUser>();
  private socket: Socket | undefined;
  private up = false;
  private retry: Timer | undefined;
  private backoffMs = BACKOFF_MIN_MS;
  private lastStream = 0;
  private closed = false;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.clock = clock;
  }

  /** Nothing is connected before the first user is there. */
  add(user: StreamUser): void {
    this.users.add(user);
    if (this.up) user.connected();
    else if (!this.socket && !this.retry) this.connect();
  }

  remove(user: StreamUser): void {
    this.users.delete(user);
    for (const [stream, owner] of this.byStream) if (owner === user) this.end(stream);
  }

  /** Answers the stream's number, or 0 while there is no connection. */
  open(user: StreamUser, order: OpenOrder): number {
    if (!this.up) return 0;
    const stream = ++this.lastStream;
    this.byStream.set(stream, user);
    this.order({ ...order, stream });
    return stream;
  }

  end(stream: number): void {
    if (this.byStream.delete(stream)) this.order({ kind: "close", stream });
  }

  send(stream: number, at: number, bytes: Buffer): void {
    if (!this.up || !this.socket) return;
    this.socket.cork();
    for (const part of soundFrame(stream, at, bytes)) this.socket.write(part);
    this.socket.uncork();
  }

  /** The codec worker is there but does not answer: try another connection. */
  reset(): void {
    this.socket?.destroy();
  }

  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.socket?.destroy();
  }

  private order(order: ToCodec): void {
    if (this.up) this.socket?.write(jsonFrame(order));
  }

  private connect(): void {
    this.retry = undefined;
    const socket = createConnection(this.path);
    this.socket = socket;
    const reader = new FrameReader((kind, payload) => this.hear(kind, payload));
    socket.on("connect", () => {
      this.up = true;
      this.backoffMs = BACKOFF_MIN_MS;
      for (const user of this.users) user.connected();
    });
    socket.on("data", (bytes) => {
      try {
        reader.push(bytes);
      } catch {
        socket.destroy();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.down());
  }

  private down(): void {
    this.socket = undefined;
    this.up = false;
    this.byStream.clear();
    for (const user of this.users) user.disconnected();
    if (this.closed) return;
    this.retry = this.clock.after(this.backoffMs, () => this.connect());
    this.backoffMs = Math.min(BACKOFF_MAX_MS, this.backoffMs * 2);
  }

  private hear(kind: number, payload: Buffer): void {
    if (kind === SOUND) {
      const { stream, at, bytes } = readSound(payload);
      this.byStream.get(stream)?.sound?.(at, bytes);
    } else if (kind === LEVELS) {
      const levels = readLevels(payload);
      this.byStream.get(levels.stream)?.levels?.(levels);
    } else {
      const { stream } = JSON.parse(payload.toString()) as FromCodec;
      const user = this.byStream.get(stream);
      this.byStream.delete(stream);
      user?.failed();
    }
  }
}
