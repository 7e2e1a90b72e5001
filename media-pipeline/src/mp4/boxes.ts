/** A box (ISO/IEC 14496-12 4.2) of what is in it: numbers are bytes. For headers, not for every frame. */
export function box(type: string, ...content: (Buffer | readonly number[])[]): Buffer {
  const parts = content.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(part)));
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 8),
    0,
  );
  head.write(type, 4, "latin1");
  return Buffer.concat([head, ...parts]);
}

/** A box with version and flags. */
export function fullBox(type: string, version: number, flags: number, ...content: (Buffer | readonly number[])[]): Buffer {
  return box(type, u32((version << 24) | flags), ...content);
}

export function u16(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, index * 2);
  return bytes;
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}

export function u64(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigInt64BE(BigInt(value), index * 8);
  return bytes;
}

/** A box found in bytes: where its content begins and ends. */
export interface FoundBox {
  type: string;
  start: number;
  end: number;
}

/** The boxes in [from, to); one that claims more than there is, or less than its own head, ends the list. */
export function* boxesIn(bytes: Buffer, from = 0, to = bytes.length): Generator<FoundBox> {
  for (let at = from; at + 8 <= to; ) {
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > to) return;
    yield { type: bytes.toString("latin1", at + 4, at + 8), start: at + 8, end: at + size };
    at += size;
  }
}

/** Follows `path` down from [from, to): the first box of each type. */
export function findBox(bytes: Buffer, path: readonly string[], from = 0, to = bytes.length): FoundBox | undefined {
  let found: FoundBox | undefined = { type: "", start: from, end: to };
  for (const type of path) {
    const { start, end }: FoundBox = found;
    found = undefined;
    for (const inner of boxesIn(bytes, start, end))
      if (inner.type === type) {
        found = inner;
        break;
      }
    if (!found) return undefined;
  }
  return found;
}
