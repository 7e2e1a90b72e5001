/** RTCP as far as a receiver of cameras needs it (RFC 3550 clause 6), and what a simulated camera sends. */
const SENDER_REPORT = 200;
const SOURCE_DESCRIPTION = 202;
const BYE = 203;

/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_TO_UNIX_S = 2_208_988_800;
const NTP_ERA_S = 2 ** 32;

export interface RtcpVisitor {
  /** `ntpMs`: UTC milliseconds since 1970 with fraction, at which the source's clock showed `rtpTimestamp`. */
  onSenderReport(ssrc: number, ntpMs: number, rtpTimestamp: number): void;
  onBye(ssrc: number): void;
}

/** Walks a compound packet (RFC 3550 clause 6.1); ends silently where a length leads nowhere. */
export function visitRtcp(packet: Buffer, visitor: RtcpVisitor): void {
  for (let at = 0; at + 4 <= packet.length; ) {
    const bytes = 4 + packet.readUInt16BE(at + 2) * 4;
    if ((packet[at] as number) >> 6 !== 2 || at + bytes > packet.length) return;
    visitOne(packet.subarray(at, at + bytes), visitor);
    at += bytes;
  }
}

function visitOne(report: Buffer, visitor: RtcpVisitor): void {
  const count = (report[0] as number) & 0x1f;
  if (report[1] === SENDER_REPORT && report.length >= 28) {
    const seconds = report.readUInt32BE(8);
    const fraction = report.readUInt32BE(12);
    // Zero says that the device has no clock (RFC 3550 clause 6.4.1).
    if (seconds !== 0 || fraction !== 0)
      visitor.onSenderReport(report.readUInt32BE(4), utcMsOfNtp(seconds, fraction), report.readUInt32BE(16));
  }
  if (report[1] === BYE) for (let i = 0; i < count && 8 + i * 4 <= report.length; i++) visitor.onBye(report.readUInt32BE(4 + i * 4));
}

/** Numbers without the top bit belong to the era that begins in 2036 (RFC 4330 clause 3). */
export function utcMsOfNtp(seconds: number, fraction: number): number {
  const sinceEra0 = seconds < NTP_ERA_S / 2 ? seconds + NTP_ERA_S : seconds;
  return (sinceEra0 - NTP_TO_UNIX_S) * 1e3 + (fraction * 1e3) / 2 ** 32;
}

export interface SenderReport {
  ssrc: number;
  /** UTC milliseconds since 1970, fractions welcome. */
  utcMs: number;
  /** What the track's clock shows at `utcMs`, modulo 2^32. */
  rtpTimestamp: number;
  packets: number;
  /** Payload only. */
  payloadBytes: number;
}

/** A sender report with the source description that has to come with it (RFC 3550 clauses 6.4.1 and 6.5). */
export function buildSenderReport(report: SenderReport, cname = "xiezhi"): Buffer {
  const name = Buffer.from(cname).subarray(0, 255);
  // Ends with at least one zero byte, on a multiple of four.
  const chunkBytes = Math.floor((4 + 2 + name.length) / 4 + 1) * 4;
  const packet = Buffer.alloc(28 + 4 + chunkBytes);
  packet.set([0x80, SENDER_REPORT, 0, 6]);
  packet.writeUInt32BE(report.ssrc, 4);
  const wholeS = Math.floor(report.utcMs / 1e3);
  packet.writeUInt32BE((wholeS + NTP_TO_UNIX_S) % NTP_ERA_S, 8);
  packet.writeUInt32BE(Math.floor(((report.utcMs - wholeS * 1e3) / 1e3) * 2 ** 32), 12);
  packet.writeUInt32BE(report.rtpTimestamp >>> 0, 16);
  packet.writeUInt32BE(report.packets >>> 0, 20);
  packet.writeUInt32BE(report.payloadBytes >>> 0, 24);
  packet.set([0x81, SOURCE_DESCRIPTION, 0, chunkBytes / 4], 28);
  packet.writeUInt32BE(report.ssrc, 32);
  packet.set([1, name.length, ...name], 36);
  return packet;
}
