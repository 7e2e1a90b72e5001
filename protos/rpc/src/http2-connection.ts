import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";

/** What the other end may send on one stream, and on all, before it waits for us. */
const STREAM_WINDOW_BYTES = 1 << 20;
const SESSION_WINDOW_BYTES = 4 << 20;
/** Node's own limit of 10 counts what waits to be sent, and a parcel may have 16. */
const SESSION_MEMORY_MEGABYTES = 256;

/**
 * The HTTP/2 connection under a link, made when it is first needed and again after it was lost. It pings also while no call is
 * open, and gives up when one ping is not answered before the next is due. Ours, because the library's own manager sends pings
 * on sessions that are gone, which ends the process.
 */
export class Http2Connection {
  readonly authority: string;
  private readonly open: () => Duplex;
  private readonly clock: Clock;
  private readonly pingMs: number | undefined;
  private session: ClientHttp2Session | undefined;
  private closed = false;

  /** `pingMs` absent: no pings, as on a socket of this machine. */
  constructor(options: { authority: string; open: () => Duplex; clock: Clock; pingMs?: number }) {
    this.authority = options.authority;
    this.open = options.open;
    this.clock = options.clock;
    this.pingMs = options.pingMs;
  }

  /** Makes the connection now, so that its loss is noticed before the first call. */
  connect(): void {
    if (!this.session || this.session.closed || this.session.destroyed) this.session = this.begin();
  }

  close(): void {
    this.closed = true;
    this.session?.destroy(new ConnectError("the link is closed", Code.Unavailable));
  }

  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    this.connect();
    const stream = this.session!.request({ ...headers, ":method": method, ":path": path });
    this.session!.ref();
    return stream;
  }

  notifyResponseByteRead(): void {
    // Pings do not depend on it.
  }

  private begin(): ClientHttp2Session {
    if (this.closed) throw new ConnectError("the link is closed", Code.Unavailable);
    const session: ClientHttp2Session = connect(this.authority, {
      createConnection: () => {
        // First in line: Node ends the calls of a connection that closes as if they were complete.
        const lost = () => session.destroy(new ConnectError("the connection was lost", Code.Unavailable));
        return this.open().once("close", lost);
      },
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      maxSessionMemory: SESSION_MEMORY_MEGABYTES,
    });
    // Calls learn of it by their streams; without a call there is nobody to tell.
    session.on("error", () => {});
    session.once("connect", () => {
      // Node tells of a connection also when it was given up meanwhile.
      if (!session.destroyed) session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    });
    // A link that nobody uses keeps no process from ending.
    session.unref();
    const pings = this.ping(session);
    session.once("close", () => pings?.cancel());
    return session;
  }

  private ping(session: ClientHttp2Session): Timer | undefined {
    if (this.pingMs === undefined) return undefined;
    let awaited = true;
    session.once("connect", () => {
      awaited = false;
    });
    return this.clock.every(this.pingMs, () => {
      if (session.destroyed) return;
      if (awaited) session.destroy(new ConnectError("no answer to a ping", Code.Unavailable));
      else
        awaited = session.ping((error) => {
          if (!error) awaited = false;
        });
    });
  }
}
