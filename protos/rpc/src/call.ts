import { rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { dialTls, type Link, linkOver, type TlsAddress } from "./client.ts";
import { grpcOnConnections, type GrpcServerOptions } from "./grpc.ts";

/** The hub pings each connection this often and gives it up when an answer takes as long again. */
const PING_MS = 2_000;
/** The room's side hears a ping each 2 s; that many seconds of silence are a dead link. */
const SILENCE_SECONDS = 4;
const BACK_OFF_MS = { first: 250, most: 5_000 };

/** Connections that a room dials so that the hub can call it. Two, so that live pictures never delay a command. */
export type CallProtocol = "xiezhi-call" | "xiezhi-live";

interface CallDialerOptions extends GrpcServerOptions {
  clock: Clock;
  log: Log;
  hub: Omit<TlsAddress, "alpn">;
  protocol: CallProtocol;
}

/** The room's side: dials the hub's agent port, serves calls over that connection, and dials again whenever it is lost. */
export class CallDialer {
  private readonly options: CallDialerOptions;
  private readonly server: ReturnType<typeof grpcOnConnections>;
  private socket: Socket | undefined;
  private timer: Timer | undefined;
  private backOffMs = BACK_OFF_MS.first;
  private stopped = false;
  /** Whether the hub can call now, and since when that is so, UTC ms. */
  connected = false;
  sinceMs: number;
  onChange: () => void = () => {};

  constructor(options: CallDialerOptions) {
    this.options = options;
    this.server = grpcOnConnections(options);
    this.sinceMs = options.clock.nowMs();
  }

  start(): void {
    this.dial();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.socket?.destroy();
    this.server.close();
  }

  private dial(): void {
    const { clock, hub, protocol, log } = this.options;
    const socket = dialTls({ ...hub, alpn: protocol });
    this.socket = socket;
    const watch = clock.every(1_000, silenceOf(socket));
    socket.once("secureConnect", () => {
      if (socket.alpnProtocol !== protocol) return socket.destroy(new Error("the hub does not speak this protocol"));
      this.backOffMs = BACK_OFF_MS.first;
      this.tell(true);
      this.server.serve(socket);
    });
    socket.on("error", (error) => log.debug({ protocol, why: error.message }, "connection to the hub failed"));
    socket.once("close", () => {
      watch.cancel();
      this.tell(false);
      if (this.stopped) return;
      this.timer = clock.after(this.backOffMs, () => this.dial());
      this.backOffMs = Math.min(this.backOffMs * 2, BACK_OFF_MS.most);
    });
  }

  private tell(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.sinceMs = this.options.clock.nowMs();
    this.onChange();
  }
}

/** To be called each second: destroys the socket when nothing has come in for long. */
function silenceOf(socket: Socket): () => void {
  let heardBytes = 0;
  let seconds = 0;
  return () => {
    seconds = socket.bytesRead === heardBytes ? seconds + 1 : 0;
    heardBytes = socket.bytesRead;
    if (seconds >= SILENCE_SECONDS) socket.destroy(new Error("nothing heard from the hub"));
  };
}

/** What ingest writes in one JSON line before it splices a room's decrypted bytes to main. */
export interface CallHello {
  alpn: CallProtocol;
  site: string;
  room: string;
  /** SHA-256 of the room's certificate. */
  fingerprint: string;
}

/** A room that can be called. One link belongs to one connection: when it is lost, `closed` aborts, and a new call comes. */
export interface AcceptedCall extends CallHello {
  link: Link;
  closed: AbortSignal;
}

const HELLO_MAX_BYTES = 1024;

/** The hub's side: takes the connections that ingest splices to this socket. */
export async function acceptCalls(unixPath: string, onCall: (call: AcceptedCall) => void): Promise<{ close(): Promise<void> }> {
  rmSync(unixPath, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    readHello(socket, (hello) => onCall(linkTo(socket, hello)));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(unixPath, resolve));
  await chmod(unixPath, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export function helloLine(hello: CallHello): string {
  return `${JSON.stringify(hello)}\n`;
}

function readHello(socket: Socket, onHello: (hello: CallHello) => void): void {
  let bytes = Buffer.alloc(0);
  const more = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk) bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf(0x0a);
    if (end < 0) {
      if (bytes.length > HELLO_MAX_BYTES) socket.destroy();
      return;
    }
    socket.off("readable", more);
    if (end + 1 < bytes.length) socket.unshift(bytes.subarray(end + 1));
    try {
      onHello(JSON.parse(bytes.toString("utf8", 0, end)) as CallHello);
    } catch {
      socket.destroy();
    }
  };
  socket.on("readable", more);
}

function linkTo(socket: Socket, hello: CallHello): AcceptedCall {
  const closed = new AbortController();
  let used = false;
  const take = () => {
    if (used) throw new Error("this connection is over");
    used = true;
    return socket;
  };
  const link = linkOver(take, "http://room", { pingMs: PING_MS });
  socket.once("close", () => {
    closed.abort();
    link.close();
  });
  link.connect();
  return { ...hello, link: { transport: link.transport, close: () => socket.destroy() }, closed: closed.signal };
}
