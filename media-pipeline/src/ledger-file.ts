import { closeSync, fdatasync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { syncFolder } from "@xiezhi/base/files.ts";
import { type Checkpoint, noteForFile, openCheckpoint, originOf, signCheckpoint, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { type EntryInit, EntryReader, encodeEntry, frameEntries, type StoredEntry } from "@xiezhi/ledger/entries.ts";
import { type Signer, type Verifier, verifierOf } from "@xiezhi/ledger/note.ts";
import { Tree } from "@xiezhi/ledger/tree.ts";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import { checkEd25519, sha256 } from "./signing.ts";
import { takeFolder } from "./spool/take-folder.ts";

const syncFile = promisify(fdatasync);
const READ_BYTES = 1024 * 1024;

const errors = defineErrors("LEDGER", {
  broken: (file: string, what: string) => ({
    code: "DATA_LOSS",
    reason: "BROKEN",
    zh: `录制账本已损坏，不能继续写入：${what}`,
    en: `the ledger is damaged and can't be gone on with: ${what}`,
    details: { file, what },
  }),
});

/**
 * A take's ledger on the disk of the one who writes it: `ledger` and `checkpoints` in the take's folder. Appending puts entries
 * into the page cache; they are durable after `sync`, proven after `checkpoint`. One writer a folder.
 */
export class LedgerFile {
  /** Entries of a torn tail that `open` cut, all later than the last signed checkpoint. At least 1 when bytes were cut. */
  readonly cutEntries: number;
  private readonly folder: string;
  private readonly origin: string;
  private readonly signer: Signer;
  private readonly tree: Tree;
  private readonly ledger: number;
  private readonly checkpoints: number;
  private ledgerBytes: number;
  private checkpointBytes: number;
  private syncedSize: number;
  private signedSize: number;

  /** `Recovered` is what `open` found. */
  private constructor(folder: string, origin: string, signer: Signer, files: { ledger: number; checkpoints: number }, found: Recovered) {
    this.folder = folder;
    this.origin = origin;
    this.signer = signer;
    this.ledger = files.ledger;
    this.checkpoints = files.checkpoints;
    this.tree = found.tree;
    this.cutEntries = found.cutEntries;
    this.ledgerBytes = found.ledgerBytes;
    this.checkpointBytes = found.checkpointBytes;
    this.syncedSize = found.tree.size;
    this.signedSize = found.signedSize;
  }

  /**
   * Opens the ledger in a take's folder, or begins one. What was torn by a crash is cut: only whole entries stay. Throws
   * LEDGER_BROKEN when entries that a signed checkpoint covers are gone or changed: nothing may be written after them.
   */
  static async open(folder: string, takeId: string, signer: Signer): Promise<LedgerFile> {
    const origin = originOf(signer.name, takeId);
    const files = {
      ledger: openSync(takeFolder.ledger(folder), "a+", 0o600),
      checkpoints: openSync(takeFolder.checkpoints(folder), "a+", 0o600),
    };
    try {
      const found = recover(folder, origin, verifierOf(sha256, signer));
      ftruncateSync(files.ledger, found.ledgerBytes);
      ftruncateSync(files.checkpoints, found.checkpointBytes);
      await Promise.all([syncFile(files.ledger), syncFile(files.checkpoints)]);
      syncFolder(folder);
      syncFolder(dirname(folder));
      return new LedgerFile(folder, origin, signer, files, found);
    } catch (error) {
      closeSync(files.ledger);
      closeSync(files.checkpoints);
      throw error;
    }
  }

  /** Entries, durable or not. */
  get size(): number {
    return this.tree.size;
  }

  /** Entries that are on disk for good. */
  get durableSize(): number {
    return this.syncedSize;
  }

  /** Entries that the last signed checkpoint covers. */
  get provenSize(): number {
    return this.signedSize;
  }

  root(): Uint8Array {
    return this.tree.root();
  }

  /** Writes all of them or none; not durable before `sync`. Returns the index of the first. Throws what the disk says (ENOSPC, EIO). */
  append(entries: readonly EntryInit[]): number {
    const leaves = entries.map(encodeEntry);
    this.ledgerBytes = appendWhole(this.ledger, frameEntries(leaves), this.ledgerBytes);
    const first = this.tree.size;
    for (const leaf of leaves) this.tree.append(leaf);
    return first;
  }

  /** What was appended before this call is durable after it. */
  async sync(): Promise<void> {
    const size = this.tree.size;
    if (size === this.syncedSize) return;
    await syncFile(this.ledger);
    this.syncedSize = Math.max(this.syncedSize, size);
  }

  /** Syncs, then signs the head over all entries; durable when it resolves. Nothing new: nothing is signed, undefined. */
  async checkpoint(): Promise<Checkpoint | undefined> {
    const head = { origin: this.origin, size: this.tree.size, root: this.tree.root() };
    if (head.size === this.signedSize) return undefined;
    await this.sync();
    const note = noteForFile(signCheckpoint(sha256, head, this.signer));
    this.checkpointBytes = appendWhole(this.checkpoints, Buffer.from(note), this.checkpointBytes);
    await syncFile(this.checkpoints);
    this.signedSize = head.size;
    return head;
  }

  /** Whole entries from there on, as they were written. */
  entries(from?: { index: number; offset: number }): Generator<StoredEntry> {
    return readEntries(takeFolder.ledger(this.folder), from);
  }

  close(): void {
    closeSync(this.ledger);
    closeSync(this.checkpoints);
  }
}

/**
 * The whole entries of a ledger file, in order; a torn tail is passed over. Throws RangeError at bytes that are no entry.
 * Memory stays flat however long the ledger is.
 */
export function* readEntries(file: string, from: { index: number; offset: number } = { index: 0, offset: 0 }): Generator<StoredEntry> {
  const reader = new EntryReader(from);
  for (const piece of piecesOf(file, from.offset)) yield* reader.push(piece);
}

interface Recovered {
  tree: Tree;
  ledgerBytes: number;
  checkpointBytes: number;
  signedSize: number;
  cutEntries: number;
}

function recover(folder: string, origin: string, verifier: Verifier): Recovered {
  const file = takeFolder.ledger(folder);
  const heads = signedHeads(folder, origin, verifier);
  const roots = new Map(heads.checkpoints.map((head) => [head.size, head.root]));
  const signedSize = heads.checkpoints.at(-1)?.size ?? 0;
  const reader = new EntryReader();
  const tree = new Tree(sha256);
  let bytes = 0;
  let cutEntries = 0;
  try {
    for (const piece of piecesOf(file, 0)) {
      bytes += piece.length;
      for (const { bytes: leaf } of reader.push(piece)) {
        tree.append(leaf);
        const root = roots.get(tree.size);
        if (root && !sameBytes(root, tree.root())) throw errors.broken(file, `entries before ${tree.size} are not those that were signed`);
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    cutEntries = 1;
  }
  if (tree.size < signedSize) throw errors.broken(file, `${tree.size} of ${signedSize} signed entries are left`);
  if (bytes > reader.offset) cutEntries = 1;
  return { tree, ledgerBytes: reader.offset, checkpointBytes: heads.bytes, signedSize, cutEntries };
}

/** The checkpoints of the file. A last note that was not written to its end, or whose page a lost power left empty, is not counted. */
function signedHeads(folder: string, origin: string, verifier: Verifier): { checkpoints: Checkpoint[]; bytes: number } {
  const file = takeFolder.checkpoints(folder);
  const { notes } = splitNotes(readFileSync(file, "utf8"));
  const checkpoints: Checkpoint[] = [];
  let bytes = 0;
  for (const [at, note] of notes.entries()) {
    try {
      checkpoints.push(openCheckpoint(note, verifier, checkEd25519));
    } catch (error) {
      if (at > 0 && at === notes.length - 1) break;
      throw errors.broken(file, String(error));
    }
    bytes += Buffer.byteLength(noteForFile(note));
  }
  for (const head of checkpoints) if (head.origin !== origin) throw errors.broken(file, `a checkpoint of ${head.origin}`);
  return { checkpoints, bytes };
}

/** Appends all bytes or, when the disk refuses, none. Returns the file's new length. */
function appendWhole(descriptor: number, bytes: Uint8Array, length: number): number {
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(descriptor, bytes, done);
  } catch (error) {
    ftruncateSync(descriptor, length);
    throw error;
  }
  return length + done;
}

function* piecesOf(file: string, from: number): Generator<Buffer> {
  const descriptor = openSync(file, "r");
  try {
    for (let at = from; ; ) {
      const piece = Buffer.allocUnsafe(READ_BYTES);
      const got = readSync(descriptor, piece, 0, READ_BYTES, at);
      if (got === 0) return;
      at += got;
      yield piece.subarray(0, got);
    }
  } finally {
    closeSync(descriptor);
  }
}
