import { connect, type Socket } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { ClientLogin } from "./wire/digest.ts";
import {
  type Field,
  parseSession,
  RtspFormatError,
  type RtspMessage,
  type RtspRequest,
  type RtspResponse,
  writeRequest,
  writeResponse,
} from "./wire/messages.ts";
import { RtspReader } from "./wire/reader.ts";

/**
 * Why no session came about, or a request was in vain: `refused` by the network or an answer, `unauthorized` with this name
 * and password, `protocol` that is not what we can speak, `timeout`, `closed` by either end. `status` is that of RTSP.
 */
export type RtspErrorKind = "refused" | "unauthorized" | "protocol" | "timeout" | "closed";

export class RtspError extends Error {
  override readonly name = "RtspError";
  readonly kind: RtspErrorKind;
  readonly status: number | undefined;

  constructor(kind: RtspErrorKind, message: string, status?: number) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** How an open session ended: by `close()`, by the signal, by the device's FIN, RST, BYE or 454, by its silence or its nonsense. */
export type RtspEnd = "closed" | "aborted" | "ended" | "reset" | "bye" | "session-lost" | "silent" | "protocol";

const READ_BUFFER_BYTES = 128 * 1024;
/** A device that does not take our few requests off the line asks for too much, or for nothing good. */
const UNSENT_MAX_BYTES = 64 * 1024;
/** One 401 asks for the login, a second may say that its nonce has aged meanwhile. */
const LOGINS_MAX = 2;

interface Waiting {
  resolve(response: RtspResponse): void;
  reject(error: RtspError): void;
}

export interface ConversationOptions {
  host: string;
  port: number;
  clock: Clock;
  responseTimeoutMs: number;
  login: ClientLogin | undefined;
  /** `packet` is valid during the call only. */
  onFrame(channel: number, packet: Buffer): void;
  onGarbage(): void;
  /** Once, also when the connection never came about. */
  onEnd(end: RtspEnd): void;
}

/** Requests and answers on one connection, with login and deadlines. It only ever talks to `host` and `port`. */
export class Conversation {
  /** When the bytes that are being handed on were read, on the monotonic axis. */
  readUs = 0;
  /** The device forgets a session of which it hears nothing for so long. */
  sessionTimeoutS = 60;
  readonly reader: RtspReader;
  private readonly options: ConversationOptions;
  private readonly socket: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private sequence = 0;
  private sessionId: string | undefined;
  private finished: RtspError | undefined;

  constructor(options: ConversationOptions) {
    this.options = options;
    this.reader = new RtspReader(
      { onFrame: options.onFrame, onGarbage: options.onGarbage, onMessage: (message) => this.receive(message) },
      { resync: true, bufferBytes: READ_BUFFER_BYTES },
    );
    this.socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer: () => this.reader.space(), callback: (bytes) => this.read(bytes) },
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      const refused = this.socket.connecting || error.syscall === "connect" || error.syscall === "getaddrinfo";
      this.finish("reset", new RtspError(refused ? "refused" : "closed", `connection failed: ${error.code ?? error.message}`));
    });
    this.socket.on("end", () => this.finish("ended", new RtspError("closed", "the device closed the connection")));
    this.socket.on("close", () => this.finish("ended", new RtspError("closed", "the connection is closed")));
  }

  /** Sends, answers the question for the login, and gives what is not 2xx as an error. */
  async request(method: string, uri: string, fields: readonly Field[] = []): Promise<RtspResponse> {
    for (let logins = 0; ; logins++) {
      const response = await this.exchange(method, uri, fields);
      const challenges = response.headers.all("www-authenticate");
      if (response.status === 401 && logins < LOGINS_MAX && this.options.login?.accept(challenges)) continue;
      if (response.status >= 300) throw refusal(method, response.status);
      this.options.login?.accepted();
      this.remember(response);
      return response;
    }
  }

  finish(end: RtspEnd, error: RtspError): void {
    if (this.finished) return;
    this.finished = error;
    this.reader.stop();
    this.socket.destroy();
    for (const one of this.waiting.values()) one.reject(error);
    this.waiting.clear();
    this.options.onEnd(end);
  }

  private remember(response: RtspResponse): void {
    const value = response.headers.get("session");
    if (value === undefined) return;
    const session = parseSession(value);
    this.sessionId ??= session.id;
    this.sessionTimeoutS = session.timeoutS;
  }

  private exchange(method: string, uri: string, fields: readonly Field[]): Promise<RtspResponse> {
    if (this.finished) return Promise.reject(this.finished);
    const sequence = ++this.sequence;
    const authorization = this.options.login?.authorization(method, uri);
    const all: Field[] = [["CSeq", String(sequence)], ...fields, ["User-Agent", "Xiezhi"]];
    if (this.sessionId !== undefined) all.push(["Session", this.sessionId]);
    if (authorization !== undefined) all.push(["Authorization", authorization]);
    return new Promise((resolve, reject) => {
      const deadline = this.options.clock.after(this.options.responseTimeoutMs, () => {
        this.waiting.delete(sequence);
        reject(new RtspError("timeout", `${method}: no answer within ${this.options.responseTimeoutMs} ms`));
      });
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          deadline.cancel();
          then(value);
        };
      this.waiting.set(sequence, { resolve: settle(resolve), reject: settle(reject) });
      this.send(writeRequest(method, uri, all));
    });
  }

  private send(bytes: Buffer): void {
    this.socket.write(bytes);
    if (this.socket.writableLength > UNSENT_MAX_BYTES) throw new RtspFormatError("the device does not read");
  }

  private read(bytes: number): boolean {
    this.readUs = this.options.clock.monoUs();
    try {
      this.reader.filled(bytes);
    } catch (error) {
      if (!(error instanceof RtspFormatError)) throw error;
      this.finish("protocol", new RtspError("protocol", error.message));
    }
    return true;
  }

  private receive(message: RtspMessage): void {
    if (message.kind === "request") return this.decline(message);
    // "Continue" is no answer yet (RFC 2326 clause 11.3).
    if (message.status < 200) return;
    const given = /^\d{1,9}$/.exec(message.headers.get("cseq") ?? "");
    // Some devices forget the number; they answer in order.
    const sequence = given ? Number(given[0]) : this.waiting.keys().next().value;
    const waiting = sequence === undefined ? undefined : this.waiting.get(sequence);
    if (sequence === undefined || !waiting) return;
    this.waiting.delete(sequence);
    waiting.resolve(message);
  }

  /** We offer nothing that a device could ask for; least of all do we follow it elsewhere. */
  private decline(request: RtspRequest): void {
    const sequence = request.headers.get("cseq");
    this.send(writeResponse(501, sequence === undefined ? [] : [["CSeq", sequence.slice(0, 32)]]));
  }
}

function refusal(method: string, status: number): RtspError {
  if (status === 401 || status === 403) return new RtspError("unauthorized", `${method}: name or password refused (${status})`, status);
  if (status < 400) return new RtspError("protocol", `${method}: redirects are not followed (${status})`, status);
  if (status === 461) return new RtspError("protocol", `${method}: no RTP over TCP (${status})`, status);
  return new RtspError("refused", `${method}: refused with ${status}`, status);
}
