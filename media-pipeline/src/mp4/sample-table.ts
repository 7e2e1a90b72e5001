import { box, fullBox, u32, u64 } from "./boxes.ts";
import type { FoundChunk } from "./walker.ts";

/** Samples a chunk of the table; all lie one behind the other. */
const SAMPLES_EACH = 32;
const NORMAL_SPEED = 0x00010000;

/**
 * The tables of one track in an ordinary MP4 (ISO/IEC 14496-12 8.6, 8.7), collected chunk by chunk. A sample lasts until the
 * next one begins: before a hole the last picture stands still. (An empty edit in the middle would say it better, and
 * ffmpeg misreads it: tried.)
 */
export class SampleTable {
  /** Take time at which the first sample begins. */
  startTicks = 0;
  private readonly sizes: number[] = [];
  private readonly deltas = new Runs();
  private readonly offsets = new Runs();
  private readonly keys: number[] = [];
  private totalBytes = 0;
  private reordered = false;
  /** Of the newest sample, whose length the next one decides. */
  private open: { ticks: number; durationTicks: number } | undefined;

  get bytes(): number {
    return this.totalBytes;
  }

  /** Take time at which the last sample ends. */
  get endTicks(): number {
    return this.open ? this.open.ticks + this.open.durationTicks : 0;
  }

  get empty(): boolean {
    return this.sizes.length === 0;
  }

  add(chunk: FoundChunk): void {
    let { ticks } = chunk;
    for (const { bytes, durationTicks, compositionOffset, key } of chunk.samples) {
      if (this.open) this.deltas.add(Math.max(0, ticks - this.open.ticks));
      else this.startTicks = ticks;
      this.sizes.push(bytes);
      this.totalBytes += bytes;
      this.offsets.add(compositionOffset);
      this.reordered ||= compositionOffset !== 0;
      if (key) this.keys.push(this.sizes.length);
      this.open = { ticks, durationTicks };
      ticks += durationTicks;
    }
  }

  /** Ends the last sample; nothing may be added afterwards. An empty edit puts the first one at its take time (8.6.6). */
  finish(): { durationTicks: number; movieTicks: number; edits: Buffer } {
    this.deltas.add(this.open?.durationTicks ?? 0);
    const { startTicks, endTicks } = this;
    const durationTicks = endTicks - startTicks;
    const empty = startTicks > 0 ? [u64(startTicks, -1), u32(NORMAL_SPEED)] : [];
    const entries = [...empty, u64(durationTicks, 0), u32(NORMAL_SPEED)];
    return { durationTicks, movieTicks: endTicks, edits: box("edts", fullBox("elst", 1, 0, u32(entries.length / 2), ...entries)) };
  }

  /** What stands in stbl behind the sample description; `dataAt`: where the first sample lies in the file. */
  boxes(dataAt: number, kind: "video" | "audio"): Buffer {
    const { deltas, offsets } = this;
    const tables = [fullBox("stts", 0, 0, u32(deltas.count), words(deltas.values()))];
    if (this.reordered) tables.push(fullBox("ctts", 1, 0, u32(offsets.count), words(offsets.values())));
    if (kind === "video") tables.push(fullBox("stss", 0, 0, u32(this.keys.length), words(this.keys)));
    return Buffer.concat([
      ...tables,
      this.chunkTable(),
      fullBox("stsz", 0, 0, u32(0, this.sizes.length), words(this.sizes)),
      this.chunkOffsets(dataAt),
    ]);
  }

  private chunkTable(): Buffer {
    const whole = Math.floor(this.sizes.length / SAMPLES_EACH);
    const rest = this.sizes.length % SAMPLES_EACH;
    const entries = [...(whole > 0 ? [1, SAMPLES_EACH, 1] : []), ...(rest > 0 ? [whole + 1, rest, 1] : [])];
    return fullBox("stsc", 0, 0, u32(entries.length / 3), u32(...entries));
  }

  private chunkOffsets(dataAt: number): Buffer {
    const count = Math.ceil(this.sizes.length / SAMPLES_EACH);
    const offsets = Buffer.allocUnsafe(count * 8);
    let at = dataAt;
    for (const [index, bytes] of this.sizes.entries()) {
      if (index % SAMPLES_EACH === 0) offsets.writeBigUInt64BE(BigInt(at), (index / SAMPLES_EACH) * 8);
      at += bytes;
    }
    return fullBox("co64", 0, 0, u32(count), offsets);
  }
}

/** Equal values that follow each other, as pairs of count and value. */
class Runs {
  count = 0;
  private readonly pairs: number[] = [];

  add(value: number): void {
    const last = this.pairs.length - 1;
    if (this.count > 0 && this.pairs[last] === value) this.pairs[last - 1] = (this.pairs[last - 1] as number) + 1;
    else {
      this.pairs.push(1, value);
      this.count++;
    }
  }

  values(): readonly number[] {
    return this.pairs;
  }
}

/** As `u32`, for lists too long to be arguments. */
function words(values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}
