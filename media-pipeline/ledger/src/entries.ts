import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Entry, EntrySchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

/** An entry as a writer gives it. */
export type EntryInit = MessageInitShape<typeof EntrySchema>;

/** An entry as it stands in a ledger file. */
export interface StoredEntry {
  index: number;
  /** Of its frame in the file. */
  offset: number;
  /** The leaf: what is hashed and sent. Never serialized again. */
  bytes: Uint8Array;
  entry: Entry;
}

/** Longest entry a reader accepts, bytes. */
export const ENTRY_MAX_BYTES = 256 * 1024;
/** u32le length before each entry in a ledger file. */
export const FRAME_HEAD_BYTES = 4;

/** The leaf of an entry. Throws RangeError when it is longer than a reader would accept. */
export function encodeEntry(entry: EntryInit): Uint8Array {
  const bytes = toBinary(EntrySchema, create(EntrySchema, entry));
  if (bytes.length > ENTRY_MAX_BYTES) throw new RangeError(`an entry of ${bytes.length} bytes`);
  return bytes;
}

/** Throws RangeError on bytes that no writer of ours makes. */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (bytes.length === 0 || bytes.length > ENTRY_MAX_BYTES) throw new RangeError(`an entry of ${bytes.length} bytes`);
  let entry: Entry;
  try {
    entry = fromBinary(EntrySchema, bytes);
  } catch {
    throw new RangeError("not an entry");
  }
  if (entry.what.case === undefined) throw new RangeError("an entry of an unknown kind");
  return entry;
}

/** Leaves as they stand in a ledger file. */
export function frameEntries(leaves: readonly Uint8Array[]): Uint8Array {
  const framed = new Uint8Array(leaves.reduce((sum, leaf) => sum + FRAME_HEAD_BYTES + leaf.length, 0));
  const view = new DataView(framed.buffer);
  let at = 0;
  for (const leaf of leaves) {
    view.setUint32(at, leaf.length, true);
    framed.set(leaf, at + FRAME_HEAD_BYTES);
    at += FRAME_HEAD_BYTES + leaf.length;
  }
  return framed;
}

/** Cuts the bytes of a ledger file, given piece by piece, into entries. */
export class EntryReader {
  private rest: Uint8Array = new Uint8Array(0);
  private nextIndex: number;
  private nextOffset: number;

  /** From where in the ledger the bytes come. */
  constructor(from: { index: number; offset: number } = { index: 0, offset: 0 }) {
    this.nextIndex = from.index;
    this.nextOffset = from.offset;
  }

  /** Entries handed out so far, plus where the bytes began. */
  get index(): number {
    return this.nextIndex;
  }

  /** Where the frame of entry `index` begins: the end of the last whole entry. */
  get offset(): number {
    return this.nextOffset;
  }

  /** The entries that became whole. Throws RangeError at a frame that is none; those before it were handed out. */
  *push(piece: Uint8Array): Generator<StoredEntry> {
    const bytes = this.rest.length === 0 ? piece : joined(this.rest, piece);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    try {
      while (at + FRAME_HEAD_BYTES <= bytes.length) {
        const length = view.getUint32(at, true);
        if (length === 0 || length > ENTRY_MAX_BYTES) throw new RangeError(`an entry of ${length} bytes at ${this.nextOffset}`);
        const end = at + FRAME_HEAD_BYTES + length;
        if (end > bytes.length) break;
        const leaf = bytes.slice(at + FRAME_HEAD_BYTES, end);
        const stored = { index: this.nextIndex, offset: this.nextOffset, bytes: leaf, entry: decodeEntry(leaf) };
        at = end;
        this.nextIndex++;
        this.nextOffset += FRAME_HEAD_BYTES + length;
        yield stored;
      }
    } finally {
      this.rest = bytes.slice(at);
    }
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
