import type { AccessUnit, VideoFormat } from "../unit.ts";
import { isRecoveryPoint, NAL, ParameterSets, readSlice } from "./h264-syntax.ts";
import { UnitBytes } from "./unit-bytes.ts";

/** Larger than any picture; what claims more is dropped as it comes. */
const UNIT_MAX_BYTES = 8 * 1024 * 1024;
const STAP_A = 24;
const FU_A = 28;
const FU_START = 0x80;
const FU_END = 0x40;

/** What a depacketizer knows of a unit; the receiver adds the time at which it was taken. */
export type UntimedUnit = Omit<AccessUnit, "timeUs" | "discontinuity">;

/**
 * RTP payloads of one H.264 track to access units (RFC 6184, single NAL unit and non-interleaved mode). A unit ends by
 * marker, by another time stamp or by an access unit delimiter, whichever comes first. Nothing is handed out before the first
 * key frame. A unit that misses a packet is dropped; those after it are `damaged` up to the next key frame. NAL units are kept
 * bit for bit; parameter sets are left out where the initialisation header has them. Nothing from outside makes it throw.
 */
export class H264Depacketizer {
  private readonly sets = new ParameterSets();
  private readonly emit: (unit: UntimedUnit) => void;
  private readonly bytes = new UnitBytes();
  private format: VideoFormat | undefined;
  private lostPackets = 0;
  private damaged = false;
  /** Some cameras set the marker on each slice. */
  private markerTrusted = true;
  private lastEmittedTicks: number | undefined;

  private ticks = 0;
  private arrivedUs = 0;
  private hasPicture = false;
  private hasBegin = false;
  private key = false;
  private recovery = false;
  private intra = false;
  private ppsId = 0;
  private broken = false;
  /** Packets were missing right before it: it must show that it is there from its begin. */
  private afterLoss = false;
  /** Where the open fragmented NAL unit's length stands, or -1. */
  private fragmentAt = -1;
  /** Parameter sets that came with this unit. */
  private unitSets: Buffer[] = [];

  /** `parameterSets`: those of the session description; what comes in band counts more. */
  constructor(parameterSets: readonly Buffer[], emit: (unit: UntimedUnit) => void) {
    this.emit = emit;
    for (const nal of parameterSets) this.sets.add(nal);
  }

  /** `ticks`: unwrapped time stamp. `missing`: packets lost right before this one. */
  push(payload: Buffer, ticks: number, marker: boolean, missing: number, arrivedUs: number): void {
    if (missing > 0) this.lose(missing);
    if (this.hasPicture && ticks !== this.ticks) this.end();
    if (missing > 0 && !this.hasPicture) this.afterLoss = true;
    this.ticks = ticks;
    this.arrivedUs = arrivedUs;
    const type = (payload[0] ?? 0) & 31;
    if (type === FU_A) this.fragment(payload);
    else if (type === STAP_A) this.aggregate(payload);
    else if (type > 0 && type < STAP_A) this.whole(payload);
    else this.broken = true;
    if (marker && this.hasPicture && this.markerTrusted) this.end();
  }

  /** The source began anew: what is open is worth nothing, and decoding needs a key frame. */
  reset(): void {
    this.clear();
    this.format = undefined;
    this.damaged = false;
    this.lastEmittedTicks = undefined;
  }

  private lose(missing: number): void {
    this.lostPackets += missing;
    this.damaged = true;
    if (this.hasPicture || this.fragmentAt >= 0) this.broken = true;
    else this.clear();
  }

  private aggregate(payload: Buffer): void {
    for (let at = 1; at < payload.length; ) {
      const size = at + 2 <= payload.length ? payload.readUInt16BE(at) : 0;
      at += 2;
      if (size === 0 || at + size > payload.length) {
        this.broken = true;
        return;
      }
      this.whole(payload.subarray(at, at + size));
      at += size;
    }
  }

  private whole(nal: Buffer): void {
    if (this.fragmentAt >= 0) this.broken = true;
    this.fragmentAt = -1;
    const type = (nal[0] as number) & 31;
    if (!this.beginNal(type, nal)) return;
    this.bytes.appendU32(nal.length);
    this.bytes.append(nal);
  }

  private fragment(payload: Buffer): void {
    if (payload.length < 3) {
      this.broken = true;
      return;
    }
    const header = payload[1] as number;
    if (header & FU_START) this.beginFragment(payload, header & 31);
    else if (this.fragmentAt < 0) this.broken = true;
    if (this.fragmentAt < 0) return;
    if (this.bytes.length + payload.length > UNIT_MAX_BYTES) return this.overflow();
    this.bytes.append(payload.subarray(2));
    if (header & FU_END) this.endFragment();
  }

  private beginFragment(payload: Buffer, type: number): void {
    if (this.fragmentAt >= 0) this.broken = true;
    this.fragmentAt = -1;
    // The fragment's header stands where the NAL unit's own would.
    if (!this.isSet(type) && !this.beginNal(type, payload.subarray(1))) return;
    this.fragmentAt = this.bytes.length;
    this.bytes.appendU32(0);
    this.bytes.appendByte(((payload[0] as number) & 0xe0) | type);
  }

  private endFragment(): void {
    const at = this.fragmentAt;
    this.fragmentAt = -1;
    const nal = this.bytes.from(at + 4);
    this.bytes.setU32(at, nal.length);
    const type = (nal[0] as number) & 31;
    if (!this.isSet(type)) return;
    const copy = Buffer.from(nal);
    this.bytes.cut(at);
    this.beginNal(type, copy);
  }

  private isSet(type: number): boolean {
    return type === NAL.SPS || type === NAL.PPS;
  }

  /** What a NAL unit means for the access unit; false: its bytes are not to be stored here. */
  private beginNal(type: number, nal: Buffer): boolean {
    if (this.hasPicture && (type === NAL.AUD || this.isSet(type))) this.end();
    if (this.isSet(type)) {
      this.sets.add(nal);
      this.unitSets.push(Buffer.from(nal.subarray(0, UNIT_MAX_BYTES)));
      this.hasBegin = true;
      return false;
    }
    if (this.bytes.length + nal.length > UNIT_MAX_BYTES) {
      this.overflow();
      return false;
    }
    if (type === NAL.SLICE || type === NAL.PARTITION_A || type === NAL.IDR) this.slice(type, nal);
    else if (type === NAL.SEI) this.recovery ||= isRecoveryPoint(nal);
    if (type === NAL.SEI || type === NAL.AUD) this.hasBegin = true;
    return true;
  }

  private slice(type: number, nal: Buffer): void {
    if (type === NAL.IDR) this.key = true;
    if (this.hasPicture) return;
    this.hasPicture = true;
    const slice = readSlice(nal);
    if (!slice) {
      this.broken = true;
      return;
    }
    this.intra = slice.intra;
    this.ppsId = slice.ppsId;
    if (slice.firstMb === 0 || this.hasBegin) return;
    if (this.afterLoss) this.broken = true;
    else if (this.ticks === this.lastEmittedTicks) {
      this.markerTrusted = false;
      this.broken = true;
    }
  }

  private overflow(): void {
    this.broken = true;
    this.fragmentAt = -1;
    this.bytes.cut(0);
  }

  private end(): void {
    if (this.fragmentAt >= 0) this.broken = true;
    this.key ||= this.recovery || (this.intra && this.unitSets.length > 0);
    if (this.broken) this.drop();
    else this.complete();
    this.clear();
  }

  private drop(): void {
    this.lostPackets = Math.max(1, this.lostPackets);
    this.damaged = true;
    this.lastEmittedTicks = undefined;
  }

  private complete(): void {
    const first = this.format === undefined;
    if (this.key) this.format = this.sets.format(this.ppsId) ?? this.format;
    if (!this.format) return;
    if (this.key) this.damaged = false;
    const { format, ticks, arrivedUs, key, damaged } = this;
    const lostPackets = first ? 0 : this.lostPackets;
    this.lostPackets = 0;
    this.lastEmittedTicks = ticks;
    this.emit({ format, sourceTicks: ticks, arrivedUs, key, damaged, lostPackets, data: this.withSets(this.bytes.take()) });
  }

  /** Parameter sets that the header does not have stay in band, in front. */
  private withSets(data: Buffer): Buffer {
    const missing = this.unitSets.filter((nal) => !this.sets.isInHeader(nal));
    if (missing.length === 0) return data;
    const parts = missing.flatMap((nal) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(nal.length);
      return [length, nal];
    });
    return Buffer.concat([...parts, data]);
  }

  private clear(): void {
    this.bytes.cut(0);
    this.hasPicture = false;
    this.hasBegin = false;
    this.key = false;
    this.recovery = false;
    this.intra = false;
    this.broken = false;
    this.afterLoss = false;
    this.fragmentAt = -1;
    this.unitSets = [];
  }
}
