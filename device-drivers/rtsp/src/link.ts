import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";

/** What may be wrong with a network; switches that may change while it runs, for both directions. Absent, false and 0 are "off". */
export interface LinkFaults {
  delayMs?: number;
  /** Nothing passes, not even the end of a connection: what a pulled cable looks like. Goes on where it stopped. */
  hold?: boolean;
  /** Each connection is cut once so many bytes came from the far end. */
  cutAfterBytes?: number;
  /** Every byte is a write of its own. */
  oneByteChunks?: boolean;
  bytesPerSecond?: number;
}

export interface FaultyLink {
  /** Connect here instead of to the far end. */
  readonly port: number;
  readonly faults: LinkFaults;
  /** Connections so far. */
  readonly connections: number;
  /** Resets whatever is connected now. */
  cutAll(): void;
  close(): Promise<void>;
}

export interface FaultyLinkOptions {
  clock: Clock;
  /** The far end, on the loopback interface. */
  port: number;
  faults?: LinkFaults;
}

const TICK_MS = 5;
/** As much as sockets would hold; then the sender has to wait. */
const QUEUE_MAX_BYTES = 256 * 1024;

/** A TCP proxy that behaves like a bad line. */
export async function startFaultyLink(options: FaultyLinkOptions): Promise<FaultyLink> {
  const { clock, port, faults = {} } = options;
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    connections++;
    const far = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
    joinSockets(near, far, faults, clock);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cutAll = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    faults,
    get connections() {
      return connections;
    },
    cutAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cutAll();
      }),
  };
}

function joinSockets(near: Socket, far: Socket, faults: LinkFaults, clock: Clock): void {
  const up = new Direction(near, far, faults, clock);
  const down = new Direction(far, near, faults, clock);
  let broken = false;
  const pass = () => {
    if (faults.hold) return;
    up.pass();
    down.pass(faults.cutAfterBytes || Number.POSITIVE_INFINITY);
    if (broken) for (const socket of [near, far]) socket.resetAndDestroy();
  };
  const tick = clock.every(TICK_MS, pass);
  for (const socket of [near, far]) {
    socket.on("error", () => {
      broken = true;
    });
    socket.on("close", () => {
      if (near.destroyed && far.destroyed) tick.cancel();
    });
  }
  up.onArrival = down.onArrival = pass;
}

interface Travelling {
  /** Nothing stands for the end of the stream. */
  bytes: Buffer | undefined;
  dueUs: number;
}

/** What is on its way from one socket to the other. */
class Direction {
  onArrival: () => void = () => {};
  private readonly to: Socket;
  private readonly from: Socket;
  private readonly faults: LinkFaults;
  private readonly clock: Clock;
  private readonly queue: Travelling[] = [];
  private queuedBytes = 0;
  private passedBytes = 0;
  private budgetBytes = 0;
  private budgetUs: number;

  constructor(from: Socket, to: Socket, faults: LinkFaults, clock: Clock) {
    this.from = from;
    this.to = to;
    this.faults = faults;
    this.clock = clock;
    this.budgetUs = clock.monoUs();
    from.on("data", (bytes) => this.enqueue(bytes));
    from.on("end", () => this.enqueue(undefined));
  }

  /** Hands on what is due, until `limitBytes` in all have passed and the connection is cut. */
  pass(limitBytes = Number.POSITIVE_INFINITY): void {
    const nowUs = this.clock.monoUs();
    const { bytesPerSecond } = this.faults;
    this.budgetBytes = bytesPerSecond ? this.budgetBytes + (bytesPerSecond * (nowUs - this.budgetUs)) / 1e6 : Number.POSITIVE_INFINITY;
    this.budgetUs = nowUs;
    for (let next = this.queue[0]; next && next.dueUs <= nowUs; next = this.queue[0]) {
      const free = Math.floor(Math.min(this.budgetBytes, limitBytes - this.passedBytes));
      if (next.bytes && free <= 0) break;
      if (next.bytes && next.bytes.length > free) {
        this.write(next.bytes.subarray(0, free));
        next.bytes = next.bytes.subarray(free);
        break;
      }
      this.queue.shift();
      if (next.bytes) this.write(next.bytes);
      else this.to.end();
    }
    if (!bytesPerSecond) this.budgetBytes = 0;
    if (this.passedBytes >= limitBytes) this.cut();
    if (this.queuedBytes < QUEUE_MAX_BYTES) this.from.resume();
  }

  private cut(): void {
    this.to.destroySoon();
    this.from.resetAndDestroy();
  }

  private enqueue(bytes: Buffer | undefined): void {
    this.queue.push({ bytes, dueUs: this.clock.monoUs() + (this.faults.delayMs ?? 0) * 1e3 });
    this.queuedBytes += bytes?.length ?? 0;
    if (this.queuedBytes >= QUEUE_MAX_BYTES) this.from.pause();
    this.onArrival();
  }

  private write(bytes: Buffer): void {
    this.queuedBytes -= bytes.length;
    this.passedBytes += bytes.length;
    this.budgetBytes -= bytes.length;
    if (this.to.destroyed) return;
    if (!this.faults.oneByteChunks) return void this.to.write(bytes);
    for (let at = 0; at < bytes.length; at++) this.to.write(bytes.subarray(at, at + 1));
  }
}
