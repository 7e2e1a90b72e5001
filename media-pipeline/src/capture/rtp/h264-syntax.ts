import type { VideoFormat } from "../unit.ts";
import { VIDEO_TIMESCALE } from "../unit.ts";

/** NAL unit types (ITU-T H.264 table 7-1). */
export const NAL = { SLICE: 1, PARTITION_A: 2, IDR: 5, SEI: 6, SPS: 7, PPS: 8, AUD: 9 } as const;

/** Profiles whose sequence parameter set has the chroma fields (H.264 7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
const SLICE_TYPE_I = 2;
const RECOVERY_POINT = 6;
/** Recovery points stand in front; a user's data behind them may be long. */
const SEI_LOOKED_BYTES = 256;

/** Reads Exp-Golomb codes out of a NAL unit, emulation prevention taken out (H.264 7.3.1). Past the end it throws RangeError. */
class Bits {
  private readonly bytes: Buffer;
  private at = 0;

  /** `maxBytes`: no more than this is looked at. */
  constructor(nal: Buffer, maxBytes: number) {
    this.bytes = withoutEmulation(nal.subarray(0, maxBytes));
  }

  bit(): number {
    const byte = this.bytes[this.at >> 3];
    if (byte === undefined) throw new RangeError("parameter set ends early");
    return (byte >> (7 - (this.at++ & 7))) & 1;
  }

  skip(bits: number): void {
    this.at += bits;
  }

  unsigned(): number {
    let zeros = 0;
    while (this.bit() === 0) if (++zeros > 31) throw new RangeError("code too long");
    let value = 1;
    for (let index = 0; index < zeros; index++) value = value * 2 + this.bit();
    return value - 1;
  }

  signed(): number {
    const code = this.unsigned();
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2;
  }
}

function withoutEmulation(nal: Buffer): Buffer {
  if (nal.indexOf(EMULATION) < 0) return nal;
  const out = Buffer.allocUnsafe(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length++] = byte;
  }
  return out.subarray(0, length);
}
const EMULATION = Buffer.from([0, 0, 3]);

/** Undefined for what is no sequence parameter set: bytes from outside. */
export function readSps(nal: Buffer): { id: number; codec: string; width: number; height: number } | undefined {
  try {
    const profile = nal.readUInt8(1);
    const bits = new Bits(nal, 4096);
    bits.skip(32);
    const id = bits.unsigned();
    let chroma = 1;
    if (HIGH_PROFILES.has(profile)) chroma = skipChroma(bits);
    bits.unsigned();
    skipPictureOrder(bits);
    bits.unsigned();
    bits.skip(1);
    const widthMbs = bits.unsigned() + 1;
    const heightUnits = bits.unsigned() + 1;
    const frameMbsOnly = bits.bit();
    if (frameMbsOnly === 0) bits.skip(1);
    bits.skip(1);
    const crop = bits.bit() === 1 ? [bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()] : [0, 0, 0, 0];
    const [left = 0, right = 0, top = 0, bottom = 0] = crop;
    const cropX = chroma === 1 || chroma === 2 ? 2 : 1;
    const cropY = (chroma === 1 ? 2 : 1) * (2 - frameMbsOnly);
    const width = widthMbs * 16 - cropX * (left + right);
    const height = (2 - frameMbsOnly) * heightUnits * 16 - cropY * (top + bottom);
    if (id > 31 || width < 1 || height < 1 || width > 0xffff || height > 0xffff) return undefined;
    return { id, codec: `avc1.${nal.toString("hex", 1, 4)}`, width, height };
  } catch {
    return undefined;
  }
}

function skipChroma(bits: Bits): number {
  const chroma = bits.unsigned();
  if (chroma === 3) bits.skip(1);
  bits.unsigned();
  bits.unsigned();
  bits.skip(1);
  if (bits.bit() === 1)
    for (let list = 0; list < (chroma === 3 ? 12 : 8); list++) if (bits.bit() === 1) skipScalingList(bits, list < 6 ? 16 : 64);
  return chroma;
}

function skipScalingList(bits: Bits, size: number): void {
  let next = 8;
  for (let index = 0, last = 8; index < size && next !== 0; index++) {
    next = (last + bits.signed() + 256) % 256;
    last = next === 0 ? last : next;
  }
}

function skipPictureOrder(bits: Bits): void {
  const type = bits.unsigned();
  if (type === 0) bits.unsigned();
  if (type !== 1) return;
  bits.skip(1);
  bits.signed();
  bits.signed();
  const cycle = bits.unsigned();
  if (cycle > 255) throw new RangeError("picture order cycle too long");
  for (let index = 0; index < cycle; index++) bits.signed();
}

/** Its own id and that of the sequence parameter set it belongs to. */
function readPps(nal: Buffer): { id: number; spsId: number } | undefined {
  try {
    const bits = new Bits(nal, 64);
    bits.skip(8);
    const id = bits.unsigned();
    const spsId = bits.unsigned();
    return id > 255 || spsId > 31 ? undefined : { id, spsId };
  } catch {
    return undefined;
  }
}

/** The first fields of a slice header (H.264 7.3.3). */
export function readSlice(nal: Buffer): { firstMb: number; intra: boolean; ppsId: number } | undefined {
  try {
    const bits = new Bits(nal, 24);
    bits.skip(8);
    const firstMb = bits.unsigned();
    const intra = bits.unsigned() % 5 === SLICE_TYPE_I;
    return { firstMb, intra, ppsId: bits.unsigned() };
  } catch {
    return undefined;
  }
}

/**
 * A recovery point (H.264 D.2.8): decoding may begin here though it is no IDR picture. Also where the picture becomes whole
 * only some frames later: cameras with gradual refresh have nothing better.
 */
export function isRecoveryPoint(sei: Buffer): boolean {
  const end = Math.min(sei.length, SEI_LOOKED_BYTES);
  let zeros = 0;
  let type = -1;
  let value = 0;
  let payloadBytes = 0;
  // Some cameras send messages with each picture: read in place, emulation prevention undone on the way.
  for (let at = 1; at < end; at++) {
    const byte = sei[at] as number;
    const prevention = zeros >= 2 && byte === 3;
    zeros = byte === 0 ? zeros + 1 : 0;
    if (prevention) continue;
    if (payloadBytes > 0) {
      payloadBytes--;
      continue;
    }
    value += byte;
    if (byte === 255) continue;
    if (type < 0) type = value;
    else if (type === RECOVERY_POINT) return true;
    else {
      payloadBytes = value;
      type = -1;
    }
    value = 0;
  }
  return false;
}

/** Real ones have some 30 bytes; scaling lists make at most a few hundred. */
const SET_MAX_BYTES = 4096;
/** As many picture parameter sets as avcC can count (ISO/IEC 14496-15 5.3.3.1). */
const PPS_MAX = 255;

/** The parameter sets that are in force, by id; later ones replace earlier ones. */
export class ParameterSets {
  private readonly sps = new Map<number, Buffer>();
  private readonly pps = new Map<number, { nal: Buffer; spsId: number }>();
  private current: VideoFormat | undefined;
  /** Which `ppsId` was found to need `current`, and nothing was added since. */
  private checkedPpsId: number | undefined;

  /** The bytes are copied; what is no parameter set is ignored. */
  add(nal: Buffer): void {
    if (nal.length > SET_MAX_BYTES) return;
    if (((nal[0] as number) & 31) === NAL.SPS) return this.addSps(nal);
    const read = readPps(nal);
    if (!read || this.pps.get(read.id)?.nal.equals(nal)) return;
    this.pps.set(read.id, { nal: Buffer.from(nal), spsId: read.spsId });
    this.checkedPpsId = undefined;
  }

  /**
   * The format of a key frame whose slices name `ppsId`: the same object as long as the sets it uses have the same bytes.
   * Undefined while they are missing.
   */
  format(ppsId: number): VideoFormat | undefined {
    if (ppsId === this.checkedPpsId) return this.current;
    const used = this.pps.get(ppsId);
    const sps = used && this.sps.get(used.spsId);
    const facts = sps && readSps(sps);
    if (!used || !sps || !facts) return undefined;
    this.checkedPpsId = ppsId;
    if (this.current?.sps.includes(sps) && this.current.pps.includes(used.nal)) return this.current;
    // Whatever else refers to the same sequence: other slices may use it.
    const others = [...this.pps.values()].filter(({ nal, spsId }) => spsId === used.spsId && nal !== used.nal);
    const pps = [used.nal, ...others.slice(0, PPS_MAX - 1).map(({ nal }) => nal)];
    const { codec, width, height } = facts;
    this.current = { kind: "video", codec, width, height, sps: [sps], pps, sourceRate: VIDEO_TIMESCALE };
    return this.current;
  }

  /** The initialisation header has these very bytes already. */
  isInHeader(nal: Buffer): boolean {
    const sets = ((nal[0] as number) & 31) === NAL.SPS ? this.current?.sps : this.current?.pps;
    return sets?.some((set) => set.equals(nal)) ?? false;
  }

  private addSps(nal: Buffer): void {
    const read = readSps(nal);
    if (!read || this.sps.get(read.id)?.equals(nal)) return;
    this.sps.set(read.id, Buffer.from(nal));
    this.checkedPpsId = undefined;
  }
}
