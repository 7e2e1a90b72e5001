import { newRtpPacket, RTP_HEADER_BYTES, type RtpSource } from "./rtp.ts";

/** Fits an Ethernet frame with IP and TCP headers, as cameras send it. */
const PACKET_MAX_BYTES = 1440;
const PAYLOAD_MAX_BYTES = PACKET_MAX_BYTES - RTP_HEADER_BYTES;
const FU_A = 28;
const STAP_A = 24;
const FU_HEADER_BYTES = 2;
const AAC_FRAME_MAX_BYTES = 8191;

/**
 * An H.264 access unit (NAL units without start codes) as RTP packets, the marker on the last (RFC 6184). Units that fit
 * go alone, others in fragments (FU-A); with `aggregate`, neighbours that fit together share a packet (STAP-A).
 */
export function packetizeH264(nals: readonly Buffer[], timestamp: number, source: RtpSource, options = { aggregate: false }): Buffer[] {
  const packets = grouped(
    nals.filter((nal) => nal.length > 0),
    options.aggregate,
  ).flatMap((group) => {
    const [only] = group;
    if (group.length > 1 || only === undefined) return [aggregated(group, timestamp, source)];
    return only.length <= PAYLOAD_MAX_BYTES ? [single(only, timestamp, source)] : fragments(only, timestamp, source);
  });
  const last = packets.at(-1);
  if (last) last[1] = (last[1] as number) | 0x80;
  return packets;
}

function grouped(nals: readonly Buffer[], aggregate: boolean): Buffer[][] {
  const groups: Buffer[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const nal of nals) {
    if (aggregate && bytes + 2 + nal.length <= PAYLOAD_MAX_BYTES) {
      groups.at(-1)?.push(nal);
      bytes += 2 + nal.length;
    } else {
      groups.push([nal]);
      bytes = 1 + 2 + nal.length;
    }
  }
  return groups;
}

function single(payload: Buffer, timestamp: number, source: RtpSource): Buffer {
  const packet = newRtpPacket(source, timestamp, false, payload.length);
  payload.copy(packet, RTP_HEADER_BYTES);
  return packet;
}

function aggregated(nals: readonly Buffer[], timestamp: number, source: RtpSource): Buffer {
  const headers = nals.map((nal) => nal[0] as number);
  // The header has the highest importance and the worst error flag of what it holds (RFC 6184 clause 5.7).
  const importance = Math.max(...headers.map((header) => header & 0x60));
  const forbidden = Math.max(...headers.map((header) => header & 0x80));
  const sized = nals.flatMap((nal) => [Buffer.from([nal.length >> 8, nal.length & 0xff]), nal]);
  return single(Buffer.concat([Buffer.from([forbidden | importance | STAP_A]), ...sized]), timestamp, source);
}

function fragments(nal: Buffer, timestamp: number, source: RtpSource): Buffer[] {
  const header = nal[0] as number;
  const pieceBytes = PAYLOAD_MAX_BYTES - FU_HEADER_BYTES;
  const packets: Buffer[] = [];
  for (let at = 1; at < nal.length; at += pieceBytes) {
    const piece = nal.subarray(at, at + pieceBytes);
    const packet = newRtpPacket(source, timestamp, false, FU_HEADER_BYTES + piece.length);
    packet[RTP_HEADER_BYTES] = (header & 0xe0) | FU_A;
    packet[RTP_HEADER_BYTES + 1] = (at === 1 ? 0x80 : 0) | (at + pieceBytes >= nal.length ? 0x40 : 0) | (header & 0x1f);
    piece.copy(packet, RTP_HEADER_BYTES + FU_HEADER_BYTES);
    packets.push(packet);
  }
  return packets;
}

/** Format parameters that say how `packetizeAac` packs; `config` is the AudioSpecificConfig (RFC 3640 clause 3.3.6). */
export function aacFmtp(config: Buffer): string {
  return `streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=${config.toString("hex")}`;
}

/** One AAC frame without ADTS header as one packet in mode AAC-hbr (RFC 3640 clause 3.3.6). */
export function packetizeAac(frame: Buffer, timestamp: number, source: RtpSource): Buffer {
  if (frame.length > AAC_FRAME_MAX_BYTES) throw new RangeError("an AAC frame has at most 8191 bytes");
  const packet = newRtpPacket(source, timestamp, true, 4 + frame.length);
  packet.writeUInt16BE(16, RTP_HEADER_BYTES);
  packet.writeUInt16BE(frame.length << 3, RTP_HEADER_BYTES + 2);
  frame.copy(packet, RTP_HEADER_BYTES + 4);
  return packet;
}

/** Samples as they are: G.711, or L16 in network order (RFC 3551 clauses 4.5.11 and 4.5.14). Cut to about 20 ms by the caller. */
export function packetizeSamples(samples: Buffer, timestamp: number, source: RtpSource): Buffer {
  return single(samples, timestamp, source);
}
