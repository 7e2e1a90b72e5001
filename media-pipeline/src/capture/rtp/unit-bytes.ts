const BLOCK_BYTES = 256 * 1024;

/**
 * Where units grow: one behind the other in blocks, so that a packet is copied once and a unit is one piece of memory
 * without an allocation of its own. A block lives as long as one of its units.
 */
export class UnitBytes {
  private block: Buffer;
  private start = 0;
  private end = 0;
  private readonly blockBytes: number;

  constructor(blockBytes = BLOCK_BYTES) {
    this.blockBytes = blockBytes;
    this.block = Buffer.allocUnsafeSlow(blockBytes);
  }

  get length(): number {
    return this.end - this.start;
  }

  append(bytes: Buffer): void {
    if (this.end + bytes.length > this.block.length) this.move(bytes.length);
    bytes.copy(this.block, this.end);
    this.end += bytes.length;
  }

  /** Four bytes, big-endian. */
  appendU32(value: number): void {
    if (this.end + 4 > this.block.length) this.move(4);
    this.block.writeUInt32BE(value, this.end);
    this.end += 4;
  }

  appendByte(value: number): void {
    if (this.end === this.block.length) this.move(1);
    this.block[this.end++] = value;
  }

  /** `at` counts from the unit's begin. */
  setU32(at: number, value: number): void {
    this.block.writeUInt32BE(value, this.start + at);
  }

  /** Valid until the next append. */
  from(at: number): Buffer {
    return this.block.subarray(this.start + at, this.end);
  }

  /** Takes back what was appended after the first `length` bytes. */
  cut(length: number): void {
    this.end = this.start + length;
  }

  /** The unit, whose bytes never change again; the next one begins behind it. */
  take(): Buffer {
    const unit = this.block.subarray(this.start, this.end);
    this.start = this.end;
    return unit;
  }

  private move(moreBytes: number): void {
    const used = this.block.subarray(this.start, this.end);
    // Doubling what a large unit has keeps its copies few.
    this.block = Buffer.allocUnsafeSlow(Math.max(this.blockBytes, 2 * (used.length + moreBytes)));
    used.copy(this.block);
    this.start = 0;
    this.end = used.length;
  }
}
