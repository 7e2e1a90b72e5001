import { closeSync, ftruncateSync, fstatSync, openSync, writeSync } from "node:fs";
import { readExactly } from "@xiezhi/base/files.ts";

const RECORD_BYTES = 8;
/** Tells a record from what a lost power left: u32le index, then index XOR this. */
const CHECK = 0x58495a48;

/** Which entries' bytes are synced in this take's files: one record each, appended after the bytes are on disk. */
export class HeldIndex {
  private readonly descriptor: number;
  private bytes: number;
  /** Entry indices that were held when it was opened. */
  readonly found: readonly number[];

  constructor(file: string) {
    this.descriptor = openSync(file, "a+", 0o600);
    this.found = this.read();
    this.bytes = this.found.length * RECORD_BYTES;
    ftruncateSync(this.descriptor, this.bytes);
  }

  /** Appends all or, when the disk refuses, none. Not durable before the descriptor is synced. */
  append(indices: readonly number[]): void {
    const records = Buffer.alloc(indices.length * RECORD_BYTES);
    for (const [at, index] of indices.entries()) {
      records.writeUInt32LE(index, at * RECORD_BYTES);
      records.writeUInt32LE((index ^ CHECK) >>> 0, at * RECORD_BYTES + 4);
    }
    try {
      for (let done = 0; done < records.length; ) done += writeSync(this.descriptor, records, done);
    } catch (error) {
      ftruncateSync(this.descriptor, this.bytes);
      throw error;
    }
    this.bytes += records.length;
  }

  get fd(): number {
    return this.descriptor;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private read(): number[] {
    const whole = Math.floor(fstatSync(this.descriptor).size / RECORD_BYTES);
    const records = readExactly(this.descriptor, 0, whole * RECORD_BYTES);
    const found: number[] = [];
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      const index = records.readUInt32LE(at);
      if ((index ^ CHECK) >>> 0 !== records.readUInt32LE(at + 4)) break;
      found.push(index);
    }
    return found;
  }
}
