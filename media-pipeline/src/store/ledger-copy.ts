import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import { type Checkpoint, noteForFile, openCheckpoint, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { decodeEntry, FRAME_HEAD_BYTES, frameEntries, type StoredEntry } from "@xiezhi/ledger/entries.ts";
import type { Verifier } from "@xiezhi/ledger/note.ts";
import { Tree } from "@xiezhi/ledger/tree.ts";
import type { Entry } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { readEntries } from "../ledger-file.ts";
import { checkEd25519, sha256 } from "../signing.ts";
import { storeErrors } from "./store.errors.ts";

const syncFile = promisify(fdatasync);
/** A file offset is remembered for every so many entries. */
const STRIDE = 256;
const LEDGER_MAX_BYTES = 2 ** 31;

interface LedgerCopyOptions {
  takeId: string;
  /** What its checkpoints must name. */
  origin: string;
  verifier: Verifier;
  files: { ledger: string; checkpoints: string };
  /** Called for each entry of the file, then for each that is appended, in order. */
  onEntry(entry: Entry): void;
  /** Throws for an entry that may not stand there. */
  examine(entry: Entry, index: number): void;
}

/**
 * The hub's copy of a take's ledger. It only grows: entries that differ from what is stored, and checkpoints that don't fit or
 * aren't signed by the room's key, are refused. What `append` answered for is synced.
 */
export class LedgerCopy {
  private readonly options: LedgerCopyOptions;
  private readonly ledger: number;
  private readonly checkpoints: number;
  private tree = new Tree(sha256);
  private ledgerBytes = 0;
  private checkpointBytes = 0;
  private readonly offsets: number[] = [];
  private readonly signedSizes = new Set<number>();
  private syncedSize = 0;
  private turn: Promise<unknown> = Promise.resolve();

  /** Throws STORE_DAMAGED when the entries are no longer those that were signed. A torn tail is cut. */
  constructor(options: LedgerCopyOptions) {
    this.options = options;
    this.ledger = openSync(options.files.ledger, "a+", 0o600);
    this.checkpoints = openSync(options.files.checkpoints, "a+", 0o600);
    try {
      this.recover();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Entries that are synced. */
  get size(): number {
    return this.syncedSize;
  }

  /** Bytes of the two files that are synced. */
  get lengths(): { ledger: number; checkpoints: number } {
    return { ledger: this.ledgerBytes, checkpoints: this.checkpointBytes };
  }

  /**
   * Adds entries that begin at `first` and signed notes whose sizes they reach; those that are here already are compared.
   * Resolves with the size when all is synced. Refuses with XiezhiError; the disk's own errors pass through.
   */
  append(first: number, leaves: readonly Uint8Array[], notes: readonly string[]): Promise<number> {
    const mine = this.turn.then(() => this.appendInTurn(first, leaves, notes));
    this.turn = mine.catch(() => {});
    return mine;
  }

  /** Synced entries from that index on. */
  *read(from: number): Generator<StoredEntry> {
    const { syncedSize } = this;
    if (from >= syncedSize) return;
    const step = Math.floor(from / STRIDE);
    for (const stored of readEntries(this.options.files.ledger, { index: step * STRIDE, offset: this.offsets[step] ?? 0 })) {
      if (stored.index >= syncedSize) return;
      if (stored.index >= from) yield stored;
    }
  }

  close(): void {
    closeSync(this.ledger);
    closeSync(this.checkpoints);
  }

  private async appendInTurn(first: number, leaves: readonly Uint8Array[], notes: readonly string[]): Promise<number> {
    const { size } = this.tree;
    if (first > size) throw storeErrors.ahead(first, size);
    const overlap = Math.min(leaves.length, size - first);
    this.compare(first, leaves.slice(0, overlap));
    const fresh = leaves.slice(overlap);
    const entries = fresh.map((leaf, at) => this.examined(leaf, size + at));
    // An agent that reconnects sends its notes anew: those of a known size are passed over before their signature costs anything.
    const unknown = notes.filter((note) => !this.signedSizes.has(Number(note.split("\n", 2)[1])));
    const heads = unknown.map((note) => ({ note, ...this.opened(note) }));
    const tree = this.grown(fresh, heads);
    await this.writeDurably(
      fresh,
      heads.map(({ note }) => note),
    );
    this.tree = tree;
    for (const head of heads) this.signedSizes.add(head.size);
    this.syncedSize = tree.size;
    for (const entry of entries) this.options.onEntry(entry);
    return this.syncedSize;
  }

  /** Refuses to rewrite history: what is here already must be the same. */
  private compare(first: number, leaves: readonly Uint8Array[]): void {
    if (leaves.length === 0) return;
    for (const { index, bytes } of this.read(first)) {
      const leaf = leaves[index - first];
      if (!leaf) return;
      if (!sameBytes(leaf, bytes)) throw storeErrors.rewritten(this.options.takeId, index);
    }
  }

  private examined(leaf: Uint8Array, index: number): Entry {
    let entry: Entry;
    try {
      entry = decodeEntry(leaf);
    } catch (error) {
      throw storeErrors.badEntry(index, (error as Error).message);
    }
    this.options.examine(entry, index);
    return entry;
  }

  private opened(note: string): Checkpoint {
    const { takeId, origin, verifier } = this.options;
    try {
      const head = openCheckpoint(note, verifier, checkEd25519);
      if (head.origin !== origin) throw new RangeError(`it is of ${head.origin}`);
      return head;
    } catch (error) {
      throw storeErrors.badCheckpoint(takeId, (error as Error).message);
    }
  }

  /** The tree with these leaves. Throws when one of the signed heads is not its head at that size. */
  private grown(leaves: readonly Uint8Array[], heads: readonly Checkpoint[]): Tree {
    const before = this.tree.size;
    const older = heads.filter(({ size }) => size < before);
    if (older.length > 0) this.checkAgain(older);
    const tree = this.tree.clone();
    this.check(tree, heads);
    for (const leaf of leaves) {
      tree.append(leaf);
      this.check(tree, heads);
    }
    for (const { size } of heads)
      if (size > tree.size) throw storeErrors.badCheckpoint(this.options.takeId, `it covers ${size} entries, ${tree.size} are here`);
    return tree;
  }

  private check(tree: Tree, heads: readonly Checkpoint[]): void {
    for (const { size, root } of heads)
      if (size === tree.size && !sameBytes(root, tree.root()))
        throw storeErrors.badCheckpoint(this.options.takeId, `the entries before ${size} are not those that were signed`);
  }

  /** Heads of long ago: the tree is built again from the file. */
  private checkAgain(heads: readonly Checkpoint[]): void {
    const tree = new Tree(sha256);
    const last = Math.max(...heads.map(({ size }) => size));
    for (const { bytes } of this.read(0)) {
      if (tree.size >= last) return;
      tree.append(bytes);
      this.check(tree, heads);
    }
  }

  /** All or nothing: what the disk took of it before it refused is cut off again. */
  private async writeDurably(leaves: readonly Uint8Array[], notes: readonly string[]): Promise<void> {
    const { ledgerBytes, checkpointBytes } = this;
    const framed = frameEntries(leaves);
    const notesBytes = Buffer.from(notes.map(noteForFile).join(""));
    if (ledgerBytes + framed.length > LEDGER_MAX_BYTES) throw storeErrors.badEntry(this.tree.size, "the ledger is too long");
    try {
      writeWhole(this.ledger, framed);
      writeWhole(this.checkpoints, notesBytes);
      if (framed.length > 0) await syncFile(this.ledger);
      if (notesBytes.length > 0) await syncFile(this.checkpoints);
    } catch (error) {
      ftruncateSync(this.ledger, ledgerBytes);
      ftruncateSync(this.checkpoints, checkpointBytes);
      throw error;
    }
    this.remember(leaves);
    this.checkpointBytes = checkpointBytes + notesBytes.length;
  }

  private remember(leaves: readonly Uint8Array[]): void {
    let index = this.tree.size;
    for (const leaf of leaves) {
      if (index++ % STRIDE === 0) this.offsets.push(this.ledgerBytes);
      this.ledgerBytes += FRAME_HEAD_BYTES + leaf.length;
    }
  }

  private recover(): void {
    const { files, takeId, onEntry } = this.options;
    const { notes } = splitNotes(readFileSync(files.checkpoints, "utf8"));
    const heads: Checkpoint[] = [];
    for (const note of notes) {
      try {
        heads.push(this.opened(note));
      } catch {
        break;
      }
      this.checkpointBytes += Buffer.byteLength(noteForFile(note));
    }
    const roots = new Map(heads.map(({ size, root }) => [size, root]));
    try {
      for (const { bytes, entry, index, offset } of readEntries(files.ledger)) {
        if (index % STRIDE === 0) this.offsets.push(offset);
        this.tree.append(bytes);
        this.ledgerBytes = offset + FRAME_HEAD_BYTES + bytes.length;
        const root = roots.get(this.tree.size);
        if (root && !sameBytes(root, this.tree.root())) throw storeErrors.damaged(takeId, `entries before ${this.tree.size} have changed`);
        onEntry(entry);
      }
    } catch (error) {
      // A torn tail: cut below.
      if (!(error instanceof RangeError)) throw error;
    }
    const signed = Math.max(0, ...heads.map(({ size }) => size));
    if (signed > this.tree.size) throw storeErrors.damaged(takeId, `${this.tree.size} of ${signed} signed entries are left`);
    ftruncateSync(this.ledger, this.ledgerBytes);
    ftruncateSync(this.checkpoints, this.checkpointBytes);
    // Whole entries that were written but not yet answered for when the process ended.
    fdatasyncSync(this.ledger);
    for (const { size } of heads) this.signedSizes.add(size);
    this.syncedSize = this.tree.size;
  }
}

function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}
