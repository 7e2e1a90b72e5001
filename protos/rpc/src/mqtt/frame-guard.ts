import { Transform, type TransformCallback } from "node:stream";

/** Bytes that one MQTT control packet may have, its fixed header included. */
export interface PacketLimits {
  /** Before somebody is known: CONNECT and nothing else. */
  connectBytes: number;
  packetBytes: number;
}

const MOST_LENGTH_BYTES = 4;

/**
 * Passes MQTT packets on and breaks off at the header of one that is too large, before any of it is kept: the broker's parser would
 * gather up to 268 MB first (MQTT 3.1.1 clause 2.2.3).
 */
export class FrameGuard extends Transform {
  private readonly limits: PacketLimits;
  private packets = 0;
  private header = 0;
  private length = 0;
  /** Bytes of the present packet's body that are still to come. */
  private left = 0;

  constructor(limits: PacketLimits) {
    super();
    this.limits = limits;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.left > 0) {
        const taken = Math.min(this.left, chunk.length - at);
        this.left -= taken;
        at += taken;
        continue;
      }
      const problem = this.headerByte(chunk[at++]!);
      if (problem !== undefined) return done(new Error(problem));
    }
    done(null, chunk);
  }

  private headerByte(byte: number): string | undefined {
    this.header += 1;
    if (this.header === 1) {
      this.length = 0;
      return undefined;
    }
    this.length += (byte & 0x7f) * 128 ** (this.header - 2);
    const limit = this.packets === 0 ? this.limits.connectBytes : this.limits.packetBytes;
    if (this.length + this.header > limit) return `a packet of ${this.length} bytes or more; at most ${limit} are taken`;
    if (byte & 0x80) return this.header > MOST_LENGTH_BYTES ? "a packet's length has no end" : undefined;
    this.left = this.length;
    this.header = 0;
    this.packets += 1;
    return undefined;
  }
}
