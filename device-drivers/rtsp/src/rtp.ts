/**
 * RTP packets (RFC 3550 clause 5.1), read in place: these run for each packet of each camera. All but `isRtp` expect a
 * packet that `isRtp` has let through.
 */
export const RTP_HEADER_BYTES = 12;

/** Long enough, of version 2, and no RTCP, whose types 192 to 223 no payload type may look like (RFC 5761 clause 4). */
export function isRtp(packet: Buffer): boolean {
  return packet.length >= RTP_HEADER_BYTES && (packet[0] as number) >> 6 === 2 && ((packet[1] as number) & 0xe0) !== 0xc0;
}

export function rtpMarker(packet: Buffer): boolean {
  return (packet[1] as number) > 127;
}

export function rtpPayloadType(packet: Buffer): number {
  return (packet[1] as number) & 0x7f;
}

export function rtpSequence(packet: Buffer): number {
  return ((packet[2] as number) << 8) | (packet[3] as number);
}

/** Ticks of the track's clock rate, modulo 2^32, from an arbitrary start. */
export function rtpTimestamp(packet: Buffer): number {
  return packet.readUInt32BE(4);
}

export function rtpSsrc(packet: Buffer): number {
  return packet.readUInt32BE(8);
}

/** What is left without header, contributing sources, extension and padding; nothing when these claim more than there is. */
export function rtpPayload(packet: Buffer): Buffer | undefined {
  const first = packet[0] as number;
  if (first === 0x80) return packet.subarray(RTP_HEADER_BYTES);
  let start = RTP_HEADER_BYTES + (first & 0x0f) * 4;
  if (first & 0x10) {
    if (start + 4 > packet.length) return undefined;
    start += 4 + packet.readUInt16BE(start + 2) * 4;
  }
  const paddingBytes = first & 0x20 ? (packet[packet.length - 1] as number) : 0;
  const end = packet.length - paddingBytes;
  return start > end || (first & 0x20 && paddingBytes === 0) ? undefined : packet.subarray(start, end);
}

/** How a source numbers what it sends; packetizers count on from `sequence`. */
export interface RtpSource {
  payloadType: number;
  ssrc: number;
  /** Of the next packet, 16 bits. */
  sequence: number;
}

/** A packet with room for `payloadBytes` behind the header, which is filled in; takes the next sequence number. */
export function newRtpPacket(source: RtpSource, timestamp: number, marker: boolean, payloadBytes: number): Buffer {
  const packet = Buffer.allocUnsafe(RTP_HEADER_BYTES + payloadBytes);
  packet[0] = 0x80;
  packet[1] = source.payloadType | (marker ? 0x80 : 0);
  packet.writeUInt16BE(source.sequence, 2);
  packet.writeUInt32BE(timestamp >>> 0, 4);
  packet.writeUInt32BE(source.ssrc, 8);
  source.sequence = (source.sequence + 1) & 0xffff;
  return packet;
}

/**
 * Counts what did not arrive. Over TCP nothing overtakes anything, so a number from the past is a repetition, or a source
 * that began anew when the next one follows on it (RFC 3550 appendix A.1).
 */
export class RtpSequence {
  /** Packets missing in all. */
  lost = 0;
  /** Packets that had been there already. */
  repeated = 0;
  private expected = -1;
  private restartAt = -1;

  /** Packets missing right before this one, or -1 when it is a repetition and to be dropped. */
  arrive(sequence: number): number {
    const missing = this.expected < 0 ? 0 : (sequence - this.expected) & 0xffff;
    if (missing < 0x8000) {
      this.lost += missing;
      return this.follow(sequence, missing);
    }
    if (sequence === this.restartAt) return this.follow(sequence, 0);
    this.restartAt = (sequence + 1) & 0xffff;
    this.repeated++;
    return -1;
  }

  private follow(sequence: number, missing: number): number {
    this.expected = (sequence + 1) & 0xffff;
    this.restartAt = -1;
    return missing;
  }
}
