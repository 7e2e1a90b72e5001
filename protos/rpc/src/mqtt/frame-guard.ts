/** Bytes that one MQTT control packet may have, its fixed header included. */
export interface PacketLimits {
  /** Before somebody is known: CONNECT and nothing else. */
  connectBytes: number;
  packetBytes: number;
}

const MOST_LENGTH_BYTES = 4;

/**
 * Follows the packets of one connection and tells of one that is too large at its header, before any of it is kept: the broker's
 * parser would gather up to 268 MB first (MQTT 3.1.1 clause 2.2.3).
 */
export class FrameGuard {
  private readonly limits: PacketLimits;
  private packets = 0;
  private header = 0;
  private length = 0;
  /** Bytes of the present packet's body that are still to come. */
  private left = 0;

  constructor(limits: PacketLimits) {
    this.limits = limits;
  }

  /** The next bytes in their order; what is wrong with them, if anything is. */
  problemIn(chunk: Uint8Array): string | undefined {
    for (let at = 0; at < chunk.length; ) {
      if (this.left > 0) {
        const taken = Math.min(this.left, chunk.length - at);
        this.left -= taken;
        at += taken;
        continue;
      }
      const problem = this.headerByte(chunk[at++]!);
      if (problem !== undefined) return problem;
    }
    return undefined;
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
