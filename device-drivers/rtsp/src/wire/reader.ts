import { contentLengthBytes, parseHead, RtspFormatError, type RtspMessage } from "./messages.ts";

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const LETTER_R = 0x52;
const FRAME_HEADER_BYTES = 4;
const HEAD_MAX_BYTES = 64 * 1024;
const BODY_MAX_BYTES = 1024 * 1024;
/** So much that is neither frame nor message in a row is no camera that stumbled. */
const GARBAGE_MAX_BYTES = 1024 * 1024;
/** So much must be seen before the start of a message can be told from noise. */
const START_MAX_BYTES = 24;
/** What a device may ask of its client (RFC 2326 clause 10); any other word is noise. */
const DEVICE_METHODS = /^(?:OPTIONS|ANNOUNCE|GET_PARAMETER|SET_PARAMETER|REDIRECT|TEARDOWN) /;

export interface RtspReaderHandlers {
  /** An interleaved frame (RFC 2326 clause 10.12). `packet` is valid only during the call: the next read overwrites it. */
  onFrame(channel: number, packet: Buffer): void;
  onMessage(message: RtspMessage): void;
  /** Once for each stretch of bytes that belonged to nothing; the frame before it may have been a mixture. */
  onGarbage?(): void;
}

export interface RtspReaderOptions {
  /** A client looks for the next frame when it reads noise, as cameras do send some; a server has no reason to. */
  resync: boolean;
  /** Grows when a message needs more. */
  bufferBytes: number;
}

/**
 * Tells interleaved frames and messages apart in what a connection brings, however it is cut into reads. The socket
 * reads straight into `space()`, behind what was left over, so that a frame is always in one piece and never copied.
 * Throws `RtspFormatError` when there is nothing more to be hoped for.
 */
export class RtspReader {
  /** 1 for each channel that carries something; noise is passed over up to a frame of one of these. */
  readonly channels = new Uint8Array(256);
  /** Bytes that belonged to nothing. */
  garbageBytes = 0;
  private buffer: Buffer;
  private endBytes = 0;
  /** Nothing can be told before so much is there. */
  private neededBytes = 1;
  /** How far the end of a message's head was looked for in vain. */
  private searchedBytes = 0;
  private garbageRunBytes = 0;
  private stopped = false;
  private readonly handlers: RtspReaderHandlers;
  private readonly resync: boolean;

  constructor(handlers: RtspReaderHandlers, options: RtspReaderOptions) {
    this.handlers = handlers;
    this.resync = options.resync;
    this.buffer = Buffer.allocUnsafeSlow(options.bufferBytes);
  }

  /** Where the next read goes; never empty. */
  space(): Buffer {
    if (this.buffer.length - this.endBytes < this.buffer.length / 4) this.grow();
    return this.buffer.subarray(this.endBytes);
  }

  /** So many bytes were read into `space()`. */
  filled(bytes: number): void {
    this.endBytes += bytes;
    if (this.endBytes < this.neededBytes) return;
    let at = 0;
    while (at < this.endBytes && !this.stopped) {
      const used = this.buffer[at] === DOLLAR ? this.takeFrame(at) : this.takeOther(at);
      if (used === 0) break;
      at += used;
    }
    if (at > 0 && at < this.endBytes) this.buffer.copyWithin(0, at, this.endBytes);
    this.endBytes -= at;
  }

  /** For bytes that stand elsewhere already. */
  feed(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.stopped; ) {
      const taken = chunk.copy(this.space(), 0, at);
      this.filled(taken);
      at += taken;
    }
  }

  /** Nothing is handed on from here, also not what was read already. */
  stop(): void {
    this.stopped = true;
  }

  private grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.buffer.length * 2);
    this.buffer.copy(larger, 0, 0, this.endBytes);
    this.buffer = larger;
  }

  private wait(neededBytes: number): 0 {
    this.neededBytes = neededBytes;
    return 0;
  }

  private took(bytes: number): number {
    this.neededBytes = 1;
    this.searchedBytes = 0;
    this.garbageRunBytes = 0;
    return bytes;
  }

  private takeFrame(at: number): number {
    const buffer = this.buffer;
    const thereBytes = this.endBytes - at;
    if (thereBytes <= FRAME_HEADER_BYTES) return this.wait(FRAME_HEADER_BYTES + 1);
    const channel = buffer[at + 1] as number;
    const inOrder = this.garbageRunBytes === 0;
    if (!(inOrder && this.channels[channel] === 1) && !this.isFrame(at, inOrder)) return this.skipGarbage(at);
    const frameBytes = FRAME_HEADER_BYTES + (((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number));
    if (thereBytes < frameBytes) return this.wait(frameBytes);
    const cutShortBytes = this.endsInNoise(at + frameBytes) ? this.bytesToFrameInside(at, frameBytes) : 0;
    if (cutShortBytes > 0) return this.countGarbage(cutShortBytes);
    this.handlers.onFrame(channel, buffer.subarray(at + FRAME_HEADER_BYTES, at + frameBytes));
    return this.took(frameBytes);
  }

  /** After noise only a known channel is believed, and always the version that RTP and RTCP begin with. */
  private isFrame(at: number, inOrder: boolean): boolean {
    const version = (this.buffer[at + FRAME_HEADER_BYTES] as number) >> 6;
    return version === 2 && (inOrder || this.channels[this.buffer[at + 1] as number] === 1);
  }

  private endsInNoise(at: number): boolean {
    if (at >= this.endBytes) return false;
    const next = this.buffer[at] as number;
    return !this.mayBegin(next) && next !== CR && next !== LF;
  }

  /**
   * A camera whose send buffer overflows cuts a frame short and goes on with the next one, which then lies inside what the
   * length claims. It is believed when yet another frame follows it; handing on the mixture would be worse than a loss. (When the noise
   * comes with a later read the mixture is gone, and only `onGarbage` tells.)
   */
  private bytesToFrameInside(at: number, frameBytes: number): number {
    const buffer = this.buffer;
    for (let i = buffer.indexOf(DOLLAR, at + FRAME_HEADER_BYTES); i >= 0 && i < at + frameBytes; i = buffer.indexOf(DOLLAR, i + 1)) {
      const after = i + FRAME_HEADER_BYTES + (((buffer[i + 2] as number) << 8) | (buffer[i + 3] as number));
      const twoFollow = after + FRAME_HEADER_BYTES < this.endBytes && this.isFrame(i, false) && buffer[after] === DOLLAR;
      if (twoFollow && this.isFrame(after, false)) return i - at;
    }
    return 0;
  }

  private takeOther(at: number): number {
    const first = this.buffer[at];
    // Empty lines before a message are to be ignored (RFC 2326 clause 4.1), and cameras put them after frames, too.
    if (first === CR || first === LF) return 1;
    const start = this.messageStart(at);
    if (start === "unsure") return this.wait(this.endBytes - at + 1);
    return start === "yes" ? this.takeMessage(at) : this.skipGarbage(at);
  }

  private messageStart(at: number): "yes" | "no" | "unsure" {
    const seen = this.buffer.toString("latin1", at, Math.min(this.endBytes, at + START_MAX_BYTES));
    if (/^RTSP\/\d+\.\d+ +\d{3}/i.test(seen) || (this.resync ? DEVICE_METHODS : /^[A-Z_]{3,20} /).test(seen)) return "yes";
    if (seen.length === START_MAX_BYTES) return "no";
    return /^(?:R|RT|RTS|RTSP|RTSP\/[\d. ]*)$/i.test(seen) || /^[A-Z_]{1,20}$/.test(seen) ? "unsure" : "no";
  }

  private takeMessage(at: number): number {
    const thereBytes = this.endBytes - at;
    const headBytes = this.headBytes(at);
    if (headBytes > HEAD_MAX_BYTES || (headBytes === 0 && thereBytes > HEAD_MAX_BYTES)) throw new RtspFormatError("head over 64 KiB");
    if (headBytes === 0) return this.wait(thereBytes + 1);
    const message = parseHead(this.buffer.subarray(at, at + headBytes));
    const bodyBytes = contentLengthBytes(message.headers);
    if (bodyBytes > BODY_MAX_BYTES) throw new RtspFormatError("body over 1 MiB");
    if (thereBytes < headBytes + bodyBytes) return this.wait(headBytes + bodyBytes);
    message.body = Buffer.from(this.buffer.subarray(at + headBytes, at + headBytes + bodyBytes));
    this.handlers.onMessage(message);
    return this.took(headBytes + bodyBytes);
  }

  /** Bytes up to and with the empty line, or 0 while it has not come. */
  private headBytes(at: number): number {
    const there = this.buffer.subarray(at, this.endBytes);
    for (let lf = there.indexOf(LF, this.searchedBytes); lf >= 0; lf = there.indexOf(LF, lf + 1)) {
      const next = there[lf + 1] === CR ? lf + 2 : lf + 1;
      if (there[next] === LF) return next + 1;
      // Whether an empty line follows is seen when more has come.
      if (next >= there.length) {
        this.searchedBytes = lf;
        return 0;
      }
    }
    this.searchedBytes = there.length;
    return 0;
  }

  private skipGarbage(at: number): number {
    if (!this.resync) throw new RtspFormatError("no RTSP message");
    let next = at + 1;
    while (next < this.endBytes && !this.mayBegin(this.buffer[next] as number)) next++;
    return this.countGarbage(next - at);
  }

  private countGarbage(bytes: number): number {
    this.neededBytes = 1;
    this.searchedBytes = 0;
    if (this.garbageRunBytes === 0) this.handlers.onGarbage?.();
    this.garbageBytes += bytes;
    this.garbageRunBytes += bytes;
    if (this.garbageRunBytes > GARBAGE_MAX_BYTES) throw new RtspFormatError("over 1 MiB of noise");
    return bytes;
  }

  private mayBegin(byte: number): boolean {
    return byte === DOLLAR || byte === LETTER_R;
  }
}
