const BLOCK_BYTES = 64 * 1024;
const MOOF = 0x6d6f6f66;
const MFHD = 0x6d666864;
const TRAF = 0x74726166;
const TFHD = 0x74666864;
const TFDT = 0x74666474;
const TRUN = 0x7472756e;
const MDAT = 0x6d646174;
const DEFAULT_BASE_IS_MOOF = 0x020000;
const FIXED_BYTES = 88;
/** trun: data offset, then for each sample duration, size, flags and signed composition offset. */
const TRUN_FLAGS = 0x01000f01;
const SAMPLE_BYTES = 16;

/** Sample flags (ISO/IEC 14496-12 8.8.3.1): depends on nothing; depends on others and is no random access point. */
const KEY_FLAGS = 0x02000000;
const DELTA_FLAGS = 0x01010000;

interface ChunkFacts {
  /** Counts chunks from 1. */
  sequence: number;
  /** Decode time of the first sample. */
  ticks: number;
  key: boolean;
  /** Presentation minus decoding time of each sample. */
  compositionOffset: number;
  samples: readonly { bytes: number; durationTicks: number }[];
}

/**
 * Writes what stands before a chunk's samples: moof with one track fragment, and the head of mdat (ISO/IEC 14496-12 8.8).
 * One for each frame of each camera, so they are cut from blocks and filled in by offset.
 */
export class ChunkHeads {
  private block = Buffer.allocUnsafeSlow(0);
  private at = 0;

  write({ sequence, ticks, key, compositionOffset, samples }: ChunkFacts): Buffer {
    const moofBytes = FIXED_BYTES + samples.length * SAMPLE_BYTES;
    const head = this.cut(moofBytes + 8);
    fillMoof(head, moofBytes, sequence, ticks);
    head.writeUInt32BE(moofBytes - 68, 68);
    head.writeUInt32BE(TRUN, 72);
    head.writeUInt32BE(TRUN_FLAGS, 76);
    head.writeUInt32BE(samples.length, 80);
    head.writeUInt32BE(moofBytes + 8, 84);
    let at = FIXED_BYTES;
    let mdatBytes = 8;
    for (const { bytes, durationTicks } of samples) {
      head.writeUInt32BE(durationTicks, at);
      head.writeUInt32BE(bytes, at + 4);
      head.writeUInt32BE(key ? KEY_FLAGS : DELTA_FLAGS, at + 8);
      head.writeInt32BE(compositionOffset, at + 12);
      mdatBytes += bytes;
      at += SAMPLE_BYTES;
    }
    head.writeUInt32BE(mdatBytes, at);
    head.writeUInt32BE(MDAT, at + 4);
    return head;
  }

  private cut(bytes: number): Buffer {
    if (this.at + bytes > this.block.length) {
      this.block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes));
      this.at = 0;
    }
    this.at += bytes;
    return this.block.subarray(this.at - bytes, this.at);
  }
}

function fillMoof(head: Buffer, moofBytes: number, sequence: number, ticks: number): void {
  head.writeUInt32BE(moofBytes, 0);
  head.writeUInt32BE(MOOF, 4);
  head.writeUInt32BE(16, 8);
  head.writeUInt32BE(MFHD, 12);
  head.writeUInt32BE(0, 16);
  head.writeUInt32BE(sequence, 20);
  head.writeUInt32BE(moofBytes - 24, 24);
  head.writeUInt32BE(TRAF, 28);
  head.writeUInt32BE(16, 32);
  head.writeUInt32BE(TFHD, 36);
  head.writeUInt32BE(DEFAULT_BASE_IS_MOOF, 40);
  head.writeUInt32BE(1, 44);
  head.writeUInt32BE(20, 48);
  head.writeUInt32BE(TFDT, 52);
  head.writeUInt32BE(0x01000000, 56);
  head.writeUInt32BE(Math.floor(ticks / 2 ** 32), 60);
  head.writeUInt32BE(ticks % 2 ** 32, 64);
}
