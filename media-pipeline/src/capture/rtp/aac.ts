import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import { audioSpecificConfig } from "@xiezhi/rtsp/sdp.ts";
import { type AccessUnit, SOUND_TIMESCALE, type SoundFormat } from "../unit.ts";
import type { UntimedUnit } from "./h264.ts";

/** ISO/IEC 14496-3 table 1.18. */
const RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const SBR = 5;
const PS = 29;
/** A frame has at most 6144 bits a channel (ISO/IEC 14496-3 4.5.3.3); lengths have 13 bits. */
const FRAME_MAX_BYTES = 8191;

interface HeaderBits {
  size: number;
  index: number;
  indexDelta: number;
}

/** The format that a track's description promises; undefined where it is not understood. */
export function aacFormat(info: RtspTrackInfo): SoundFormat | undefined {
  const config = audioSpecificConfig(info.fmtp);
  const facts = config && readAudioSpecificConfig(config);
  if (!config || !facts || !headerBits(info.fmtp)) return undefined;
  const { objectType, sampleRate, channels, frameSamples } = facts;
  return { kind: "audio", codec: `mp4a.40.${objectType}`, sampleRate, channels, config, frameSamples, sourceRate: info.clockRate };
}

/** What evidence sound is: AAC-LC, mono, 48 kHz. Other AAC is decoded and encoded as that. */
export function isEvidenceSound({ codec, channels, sampleRate }: SoundFormat): boolean {
  return codec === "mp4a.40.2" && channels === 1 && sampleRate === SOUND_TIMESCALE;
}

/** The raw frames of a unit, one by one. */
export function framesOf({ data, frameBytes = [data.length] }: Pick<AccessUnit, "data" | "frameBytes">): Buffer[] {
  let end = 0;
  return frameBytes.map((bytes) => data.subarray(end, (end += bytes)));
}

/** ISO/IEC 14496-3 1.6.2.1, as far as AAC needs it. */
function readAudioSpecificConfig(
  config: Buffer,
): { objectType: number; sampleRate: number; channels: number; frameSamples: number } | undefined {
  let at = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index++, at++) value = value * 2 + (((config[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
  const readType = () => {
    const type = bits(5);
    return type === 31 ? 32 + bits(6) : type;
  };
  const readRate = () => {
    const index = bits(4);
    return index === 15 ? bits(24) : (RATES[index] ?? 0);
  };
  const objectType = readType();
  const sampleRate = readRate();
  const layout = bits(4);
  if (objectType === SBR || objectType === PS) {
    readRate();
    readType();
  }
  const frameSamples = bits(1) === 1 ? 960 : 1024;
  const channels = objectType === PS ? 2 : layout === 7 ? 8 : layout;
  if (at > config.length * 8 || sampleRate < 7350 || sampleRate > 96000 || channels < 1 || channels > 7) return undefined;
  return { objectType, sampleRate, channels, frameSamples };
}

function headerBits(fmtp: Readonly<Record<string, string>>): HeaderBits | undefined {
  const bits = {
    size: Number(fmtp["sizelength"]),
    index: Number(fmtp["indexlength"] ?? 0),
    indexDelta: Number(fmtp["indexdeltalength"] ?? 0),
  };
  const valid = bits.size >= 1 && bits.size <= 16 && bits.index >= 0 && bits.index <= 16 && bits.indexDelta >= 0 && bits.indexDelta <= 16;
  return valid ? bits : undefined;
}

/**
 * RTP payloads of one MPEG4-GENERIC track to sound units (RFC 3640, modes AAC-hbr and AAC-lbr without interleaving). The
 * frames of a packet are one unit. Nothing from outside makes it throw.
 */
export class AacDepacketizer {
  private readonly format: SoundFormat;
  private readonly headerBits: HeaderBits;
  private readonly emit: (unit: UntimedUnit) => void;
  private lostPackets = 0;
  private fragments: Buffer[] = [];
  private fragmentBytes = 0;
  private fragmentTicks = 0;

  constructor(info: RtspTrackInfo, format: SoundFormat, emit: (unit: UntimedUnit) => void) {
    this.format = format;
    this.headerBits = headerBits(info.fmtp) ?? { size: 13, index: 3, indexDelta: 3 };
    this.emit = emit;
  }

  push(payload: Buffer, ticks: number, _marker: boolean, missing: number, arrivedUs: number): void {
    this.lostPackets += missing;
    if (missing > 0 || ticks !== this.fragmentTicks) this.dropFragments();
    const sizes = this.readSizes(payload);
    if (!sizes) return this.refuse();
    const frames = payload.subarray(2 + Math.ceil(payload.readUInt16BE(0) / 8));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total <= frames.length && this.fragmentBytes === 0) this.hand(sizes, Buffer.from(frames.subarray(0, total)), ticks, arrivedUs);
    else if (sizes.length === 1) this.collect(frames, total, ticks, arrivedUs);
    else this.refuse();
  }

  reset(): void {
    this.dropFragments();
  }

  /** The lengths of the frames in a packet, or undefined where the packet contradicts itself. */
  private readSizes(payload: Buffer): number[] | undefined {
    if (payload.length < 4) return undefined;
    const headerEnd = 16 + payload.readUInt16BE(0);
    if (headerEnd > payload.length * 8) return undefined;
    const sizes: number[] = [];
    let at = 16;
    for (let bits = this.headerBits.index; at + this.headerBits.size + bits <= headerEnd; bits = this.headerBits.indexDelta) {
      const size = readBits(payload, at, this.headerBits.size);
      const index = readBits(payload, at + this.headerBits.size, bits);
      if (size === 0 || size > FRAME_MAX_BYTES || index !== 0) return undefined;
      sizes.push(size);
      at += this.headerBits.size + bits;
    }
    return sizes.length > 0 ? sizes : undefined;
  }

  /** A frame over several packets, each with the same header and time stamp. */
  private collect(piece: Buffer, total: number, ticks: number, arrivedUs: number): void {
    this.fragmentTicks = ticks;
    this.fragments.push(Buffer.from(piece));
    this.fragmentBytes += piece.length;
    if (this.fragmentBytes < total) return;
    const frame = Buffer.concat(this.fragments).subarray(0, total);
    this.fragments = [];
    this.fragmentBytes = 0;
    this.hand([total], frame, ticks, arrivedUs);
  }

  private hand(sizes: number[], data: Buffer, ticks: number, arrivedUs: number): void {
    const { format, lostPackets } = this;
    this.lostPackets = 0;
    const unit: UntimedUnit = { format, sourceTicks: ticks, arrivedUs, key: true, damaged: false, lostPackets, data };
    this.emit(sizes.length > 1 ? { ...unit, frameBytes: sizes } : unit);
  }

  private refuse(): void {
    this.lostPackets = Math.max(1, this.lostPackets);
  }

  private dropFragments(): void {
    if (this.fragmentBytes === 0) return;
    this.fragments = [];
    this.fragmentBytes = 0;
    this.refuse();
  }
}

function readBits(bytes: Buffer, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) value = (value << 1) | (((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1);
  return value;
}
