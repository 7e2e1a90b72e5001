import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { writeSdp } from "./sdp.ts";
import type { RtspFaults, RtspSink, ServedStream } from "./server.ts";
import type { ServerLogin } from "./wire/digest.ts";
import { type Field, parseTransport, RtspFormatError, type RtspMessage, type RtspRequest, writeResponse } from "./wire/messages.ts";
import { RtspReader } from "./wire/reader.ts";

export interface ServedConnectionOptions {
  socket: Socket;
  clock: Clock;
  guard: ServerLogin | undefined;
  streams(path: string): ServedStream | undefined;
  faults: RtspFaults;
  onClose(): void;
}

/** What a client may leave untaken before it is cut off: memory is finite. */
const BACKLOG_MAX_BYTES = 32 * 1024 * 1024;
/** A connection that plays nothing for so long is let go. */
const IDLE_MS = 60_000;
const SESSION_TIMEOUT_S = 60;
const METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

interface Answer {
  status: number;
  fields?: Field[];
  body?: string;
}

/** One client of the server: its requests in order, and at most one session, which ends with the connection. */
export class ServedConnection {
  private readonly options: ServedConnectionOptions;
  private readonly reader: RtspReader;
  private readonly sessionId = randomBytes(8).toString("hex");
  private readonly sink: RtspSink;
  private stream: ServedStream | undefined;
  /** RTP channel of each track that was set up; RTCP has the one behind it. */
  private readonly channels = new Map<number, readonly [rtp: number, rtcp: number]>();
  private unsubscribe: (() => void) | undefined;
  private idle: Timer;
  private offeredPackets = 0;
  private corked = false;

  constructor(options: ServedConnectionOptions) {
    this.options = options;
    const { socket } = options;
    this.reader = new RtspReader(
      // Receiver reports: whoever listens is told by TCP already.
      { onFrame: () => {}, onMessage: (message) => this.receive(message) },
      { resync: false, bufferBytes: 8 * 1024 },
    );
    this.sink = this.createSink();
    this.idle = this.watchIdle();
    socket.on("data", (chunk) => this.read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.stop();
      this.idle.cancel();
      this.options.onClose();
    });
  }

  drop(): void {
    this.reader.stop();
    this.stop();
    this.options.socket.destroy();
  }

  private watchIdle(): Timer {
    return this.options.clock.after(IDLE_MS, () => {
      if (this.unsubscribe) this.idle = this.watchIdle();
      else this.drop();
    });
  }

  private createSink(): RtspSink {
    const { socket } = this.options;
    return {
      send: (track, packet) => this.sendRtp(track, packet),
      report: (track, senderReport) => this.sendFrame(this.channels.get(track)?.[1], senderReport),
      get backlogBytes() {
        return socket.writableLength;
      },
    };
  }

  private sendRtp(track: number, packet: Buffer): void {
    const { faults } = this.options;
    if (!this.channels.has(track)) return;
    this.offeredPackets++;
    if (faults.losePackets && this.offeredPackets % faults.losePackets === 0) return;
    this.sendFrame(this.channels.get(track)?.[0], packet);
    if (faults.dropAfterPackets && this.offeredPackets >= faults.dropAfterPackets) this.options.socket.destroySoon();
  }

  private sendFrame(channel: number | undefined, packet: Buffer): void {
    if (channel === undefined) return;
    const header = Buffer.allocUnsafe(4);
    header[0] = 0x24;
    header[1] = channel;
    header.writeUInt16BE(packet.length, 2);
    this.write(header);
    this.write(packet);
  }

  private write(bytes: Buffer): void {
    const { socket, faults } = this.options;
    if (faults.halfOpen || socket.destroyed) return;
    if (faults.slowOneByte) {
      for (let at = 0; at < bytes.length; at++) socket.write(bytes.subarray(at, at + 1));
    } else {
      this.corkForThisTurn();
      socket.write(bytes);
    }
    if (socket.writableLength > BACKLOG_MAX_BYTES) this.drop();
  }

  /** What is sent in one turn goes out in one system call. */
  private corkForThisTurn(): void {
    if (this.corked) return;
    this.corked = true;
    this.options.socket.cork();
    process.nextTick(() => {
      this.corked = false;
      this.options.socket.uncork();
    });
  }

  private read(chunk: Buffer): void {
    this.idle.cancel();
    this.idle = this.watchIdle();
    try {
      this.reader.feed(chunk);
    } catch (error) {
      if (!(error instanceof RtspFormatError)) throw error;
      this.reader.stop();
      this.write(writeResponse(400, []));
      this.stop();
      this.options.socket.destroySoon();
    }
  }

  private receive(message: RtspMessage): void {
    const { faults } = this.options;
    if (message.kind !== "request" || faults.mute) return;
    const sequence: Field[] = [["CSeq", (message.headers.get("cseq") ?? "0").slice(0, 32)]];
    const { status, fields = [], body } = this.refusal(message) ?? this.answer(message);
    this.write(faults.garbage ? randomBytes(300) : writeResponse(status, [...sequence, ...fields], body));
    // Only now, so that the answer to PLAY comes before what it has set off.
    if (message.method === "PLAY" && status === 200) this.play();
  }

  private refusal({ method, uri, headers }: RtspRequest): Answer | undefined {
    const { guard, faults } = this.options;
    if (method === "OPTIONS" || !(guard || faults.refuseLogin)) return undefined;
    const verdict = faults.refuseLogin ? "refused" : guard?.check(method, uri, headers.get("authorization"));
    if (verdict === "granted") return undefined;
    const challenges = guard?.challenge(verdict === "stale") ?? [];
    return { status: 401, fields: challenges.map((challenge) => ["WWW-Authenticate", challenge]) };
  }

  private answer(request: RtspRequest): Answer {
    switch (request.method) {
      case "OPTIONS":
        return { status: 200, fields: [["Public", METHODS]] };
      case "DESCRIBE":
        return this.describe(request.uri);
      case "SETUP":
        return this.setUp(request);
      case "PLAY":
        return this.withinSession(request, () => ({ status: 200, fields: [["Range", "npt=now-"]] }));
      case "PAUSE":
        return this.withinSession(request, () => this.stop());
      case "TEARDOWN":
        return this.withinSession(request, () => this.tearDown());
      case "GET_PARAMETER":
      case "SET_PARAMETER":
        return { status: 200 };
      default:
        return { status: 501 };
    }
  }

  private describe(uri: string): Answer {
    const stream = this.options.streams(pathOf(uri));
    if (!stream) return { status: 404 };
    const fields: Field[] = [
      ["Content-Base", uri.endsWith("/") ? uri : `${uri}/`],
      ["Content-Type", "application/sdp"],
    ];
    return { status: 200, fields, body: writeSdp(stream.tracks) };
  }

  private setUp({ uri, headers }: RtspRequest): Answer {
    const [, path = "", digits] = /^(.*?)\/trackID=(\d{1,3})$/.exec(uri) ?? [];
    const stream = this.options.streams(pathOf(path));
    const track = Number(digits);
    if (!stream?.tracks[track]) return { status: 404 };
    if (this.unsubscribe) return { status: 455 };
    // One session shows one stream.
    if (this.stream && this.stream !== stream) return { status: 459 };
    const transport = parseTransport(headers.get("transport") ?? "").find((one) => one.tcp);
    if (!transport) return { status: 461 };
    const [rtp, rtcp] = transport.interleaved ?? [track * 2, track * 2 + 1];
    this.stream = stream;
    this.channels.set(track, [rtp, rtcp]);
    return {
      status: 200,
      fields: [
        ["Transport", `RTP/AVP/TCP;unicast;interleaved=${rtp}-${rtcp}`],
        ["Session", `${this.sessionId};timeout=${SESSION_TIMEOUT_S}`],
      ],
    };
  }

  private withinSession({ headers }: RtspRequest, act: () => Answer | void): Answer {
    if (this.channels.size === 0 || headers.get("session")?.split(";")[0]?.trim() !== this.sessionId) return { status: 454 };
    const { status = 200, fields = [] } = act() ?? {};
    return { status, fields: [...fields, ["Session", this.sessionId]] };
  }

  private play(): void {
    if (!this.unsubscribe) this.unsubscribe = this.stream?.subscribe(this.sink);
  }

  private stop(): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }

  private tearDown(): void {
    this.stop();
    this.channels.clear();
    this.stream = undefined;
  }
}

/** Path without query of a request's address; "" where there is none. */
function pathOf(uri: string): string {
  return /^rtsp:\/\/[^/?]*([^?]*)/i.exec(uri)?.[1]?.replace(/\/+$/, "") ?? "";
}
