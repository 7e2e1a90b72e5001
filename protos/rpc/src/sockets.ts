import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import {
  type ClientFrame_Open,
  ClientFrameSchema,
  type ServerFrame,
  ServerFrameSchema,
} from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import { failureOf } from "./failure.ts";
import { answers, type Route, routesOf } from "./gate.ts";
import { rpcErrors } from "./rpc.errors.ts";
import type { Credentials, Door, Implementation } from "./service.ts";

/** A WebSocket as the `ws` package has it. Give its server `maxPayload: 65536`: pages send requests only. */
export interface PageSocket {
  readonly bufferedAmount: number;
  send(data: Uint8Array, done: () => void): void;
  close(code: number, reason: string): void;
  on(event: "message", listener: (data: unknown, isBinary: boolean) => void): unknown;
  on(event: "close" | "error", listener: () => void): unknown;
}

const STREAMS_MAX = 64;
/** No stream is pulled on while more than this waits for the page. */
const BACKLOG_BYTES = 1 << 20;

/** Serves pages: one socket each, server streams side by side, a pulse each second on stream 0. */
export function socketServer({ implementations, door, clock }: { implementations: readonly Implementation[]; door: Door; clock: Clock }): {
  /** Takes a socket after its upgrade, with what the upgrade's headers showed (`credentialsOf`). */
  accept(socket: PageSocket, credentials: Credentials): void;
} {
  const routes = routesOf(implementations, door);
  return { accept: (socket, credentials) => new Page(socket, credentials, routes, clock).open() };
}

class Page {
  private readonly socket: PageSocket;
  private readonly credentials: Credentials;
  private readonly routes: ReadonlyMap<string, Route>;
  private readonly clock: Clock;
  private readonly streams = new Map<number, AbortController>();
  private readonly waiting = new Set<() => void>();
  private closed = false;

  constructor(socket: PageSocket, credentials: Credentials, routes: ReadonlyMap<string, Route>, clock: Clock) {
    this.socket = socket;
    this.credentials = credentials;
    this.routes = routes;
    this.clock = clock;
  }

  open(): void {
    const pulse = this.clock.every(1_000, () => this.pulse());
    this.pulse();
    this.socket.on("message", (data) => this.hear(data));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      pulse.cancel();
      for (const stream of this.streams.values()) stream.abort(rpcErrors.cancelled());
      this.wake();
    });
  }

  private pulse(): void {
    this.send(0, { case: "pulse", value: { $typeName: "xiezhi.sockets.v1.ServerFrame.Pulse", utcMs: BigInt(this.clock.nowMs()) } });
  }

  private hear(data: unknown): void {
    if (!(data instanceof Uint8Array)) return this.refuse();
    let frame: ReturnType<typeof fromBinary<typeof ClientFrameSchema>>;
    try {
      frame = fromBinary(ClientFrameSchema, data);
    } catch {
      return this.refuse();
    }
    const { stream, what } = frame;
    if (what.case === "cancel") this.streams.get(stream)?.abort(rpcErrors.cancelled());
    else if (what.case === "open" && stream !== 0 && !this.streams.has(stream)) void this.serve(stream, what.value);
    else this.refuse();
  }

  /** 1002: what came is not our protocol (RFC 6455 7.4.1). */
  private refuse(): void {
    this.socket.close(1002, "not a frame of this protocol");
  }

  private async serve(stream: number, { method, request }: ClientFrame_Open): Promise<void> {
    const cancel = new AbortController();
    const taken = this.streams.size < STREAMS_MAX;
    if (taken) this.streams.set(stream, cancel);
    try {
      if (!taken) throw rpcErrors.tooManyStreams(STREAMS_MAX);
      const route = this.routes.get(method);
      if (route?.method.methodKind !== "server_streaming") throw rpcErrors.unknownMethod(method);
      await this.run(stream, route, request, cancel.signal);
      this.send(stream, { case: "end", value: { $typeName: "xiezhi.sockets.v1.ServerFrame.End" } });
    } catch (error) {
      const refusal = isXiezhiError(error) ? error : rpcErrors.invalidField("request", "not a message of this method");
      this.send(stream, { case: "failure", value: failureOf(refusal) });
    } finally {
      if (taken) this.streams.delete(stream);
    }
  }

  private async run(stream: number, route: Route, request: Uint8Array, signal: AbortSignal): Promise<void> {
    const message = fromBinary(route.method.input, request);
    const visit = { credentials: this.credentials, signal, backlogBytes: () => this.socket.bufferedAmount };
    for await (const answer of answers(route, message, visit)) {
      this.send(stream, { case: "message", value: toBinary(route.method.output, answer) });
      while (this.socket.bufferedAmount > BACKLOG_BYTES && !signal.aborted) await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private send(stream: number, what: ServerFrame["what"]): void {
    if (this.closed) return;
    this.socket.send(toBinary(ServerFrameSchema, create(ServerFrameSchema, { stream, what })), () => this.wake());
  }

  private wake(): void {
    for (const resume of this.waiting) resume();
    this.waiting.clear();
  }
}
