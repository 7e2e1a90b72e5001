import { open, readFile, stat } from "node:fs/promises";
import { noteForFile, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import type { StoredEntry } from "@xiezhi/ledger/entries.ts";
import { FRAME_HEAD_BYTES } from "@xiezhi/ledger/entries.ts";
import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { takeFilesIn } from "@xiezhi/media/take-files.ts";
import type { Entry } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { SpooledTake } from "../recording/recording.model.ts";

/** Entries in one message: about 50 kB. */
const BATCH_ENTRIES = 512;

/** Bytes that the hub does not hold yet, named by the ledger entry that announced them. */
interface Piece {
  file: string;
  offset: number;
  /** Absent: the whole file (a header). */
  bytes?: number;
  /** When the entry was made, UTC ms. */
  utcMs: number;
  /** `track sequence`; absent for headers. */
  parcel?: string;
}

interface Batch {
  first: number;
  entries: Uint8Array[];
  checkpoints: string[];
}

/** How far one take has come to the hub. The hub's word is the truth: what it said it has is never sent again. */
export class TakeLanes {
  readonly takeId: string;
  /** Entries that are synced at the hub; undefined until it has said so on this connection. */
  hubSize: number | undefined;
  private take: SpooledTake;
  private read = { index: 0, offset: 0 };
  private readonly pieces = new Map<number, Piece>();
  /** Waiting parcels and headers by entry index, oldest first; sent from the end. */
  private waiting: number[] = [];
  private waitingHeaders: number[] = [];
  private readonly indexOfParcel = new Map<string, number>();
  private readonly trackIds = new Map<number, string>();
  /** Where in the ledger the next batch is read. */
  private sent = { index: 0, offset: 0 };
  private batchUnderWay: { to: number; notesBytes: number } | undefined;
  private notesAckedBytes = 0;
  private largestHubSize = 0;
  /** Pieces in the bytes lane that are not answered yet, and their lengths. */
  private readonly sending = new Map<number, number>();
  /** The hub will not have this take; it is asked again later. */
  refused = false;

  constructor(take: SpooledTake) {
    this.takeId = take.takeId;
    this.take = take;
  }

  update(take: SpooledTake): void {
    this.take = take;
  }

  /** A new entries connection: what was under way may or may not have arrived, so the hub is asked anew. */
  reconnected(): void {
    this.hubSize = undefined;
    this.batchUnderWay = undefined;
    this.notesAckedBytes = 0;
  }

  /** The hub's answer to `open`. */
  opened(size: number, held: readonly { from: bigint; to: bigint }[]): void {
    if (size < this.largestHubSize) this.forget();
    this.learn();
    for (const { from, to } of held) for (let index = Number(from); index < Number(to); index++) this.settle(index);
    this.hubSize = size;
    this.largestHubSize = size;
    const unsent = [...this.pieces.keys()].filter((index) => !this.sending.has(index)).sort((a, b) => a - b);
    this.waitingHeaders = unsent.filter((index) => this.isHeader(index));
    this.waiting = unsent.filter((index) => !this.isHeader(index));
  }

  /** The hub's answer to a batch. */
  entered(size: number): void {
    if (this.batchUnderWay?.to === size) this.notesAckedBytes = this.batchUnderWay.notesBytes;
    this.batchUnderWay = undefined;
    this.hubSize = size;
    this.largestHubSize = Math.max(this.largestHubSize, size);
  }

  /** It holds entries that are not in this room's ledger: nothing may be sent over them. */
  get hubIsAhead(): boolean {
    return this.hubSize !== undefined && this.hubSize > this.take.size;
  }

  /** What to send next in the entries lane; undefined when the hub has it all, or has not answered yet. */
  async nextBatch(): Promise<Batch | undefined> {
    if (this.hubSize === undefined || this.batchUnderWay || this.hubIsAhead) return undefined;
    this.learn();
    const first = this.hubSize;
    const to = Math.min(first + BATCH_ENTRIES, this.take.size);
    const notes = await this.notesUpTo(to);
    if (to === first && notes.texts.length === 0) return undefined;
    const entries: Uint8Array[] = [];
    if (to > first) for (const { bytes } of this.entriesFrom(first, to)) entries.push(bytes);
    this.batchUnderWay = { to, notesBytes: notes.bytes };
    return { first, entries, checkpoints: notes.texts };
  }

  /** What to send next in the bytes lane: headers, which are small and needed to play anything, then the newest parcel. */
  nextPiece(): number | undefined {
    const size = this.hubSize;
    if (size === undefined) return undefined;
    for (const queue of [this.waitingHeaders, this.waiting]) {
      const ready = () => queue.findLastIndex((index) => index < size);
      for (let at = ready(); at >= 0; at = ready()) {
        const [index] = queue.splice(at, 1);
        if (index !== undefined && this.pieces.has(index)) return index;
      }
    }
    return undefined;
  }

  /** Sent, and not yet answered. Returns its length. */
  underWay(index: number, bytes: number): number {
    this.sending.set(index, bytes);
    return bytes;
  }

  /** Answered. Returns the bytes that are no longer under way. */
  landed(index: number): number {
    const bytes = this.sending.get(index) ?? 0;
    this.sending.delete(index);
    return bytes;
  }

  /** The bytes connection is lost, and with it the answers. */
  bytesLost(): void {
    const lost = [...this.sending.keys()];
    this.sending.clear();
    for (const index of lost) this.again(index);
  }

  isHeader(index: number): boolean {
    return this.pieces.get(index)?.parcel === undefined;
  }

  /** A piece's bytes from the spool; undefined when it was settled meanwhile. */
  async bytesOf(index: number): Promise<Buffer | undefined> {
    const piece = this.pieces.get(index);
    if (!piece) return undefined;
    if (piece.bytes === undefined) return readFile(piece.file);
    const bytes = Buffer.allocUnsafe(piece.bytes);
    const file = await open(piece.file, "r");
    try {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, piece.offset);
      if (bytesRead !== bytes.length) throw new RangeError(`${piece.file} holds ${bytesRead} of ${bytes.length} bytes at ${piece.offset}`);
      return bytes;
    } finally {
      await file.close();
    }
  }

  /** The hub holds it, or will never take it. */
  settle(index: number): void {
    const piece = this.pieces.get(index);
    if (piece?.parcel !== undefined) this.indexOfParcel.delete(piece.parcel);
    this.pieces.delete(index);
  }

  /** To be sent again. */
  again(index: number): void {
    const queue = this.queueOf(index);
    if (!this.pieces.has(index) || this.sending.has(index) || queue.includes(index)) return;
    queue.push(index);
    queue.sort((a, b) => a - b);
  }

  /** Pieces that the hub does not hold, and when the oldest of them was entered (UTC ms). */
  behind(): { pieces: number; oldestMs: number | undefined } {
    this.learn();
    const [oldest] = this.pieces.values();
    return { pieces: this.pieces.size, oldestMs: oldest?.utcMs };
  }

  /** The take has ended, and the hub has every entry, signature and byte of it. */
  async isWhole(): Promise<boolean> {
    if (!this.take.ended || this.hubSize !== this.take.size || this.batchUnderWay || this.pieces.size > 0) return false;
    return (await stat(takeFilesIn(this.take.folder).checkpoints)).size <= this.notesAckedBytes;
  }

  /** The hub has less than it had: what it once said to hold is no longer believed. */
  private forget(): void {
    this.read = { index: 0, offset: 0 };
    this.pieces.clear();
    this.indexOfParcel.clear();
  }

  /** Reads what the ledger has got since. */
  private learn(): void {
    if (this.read.index >= this.take.size) return;
    for (const stored of readEntries(takeFilesIn(this.take.folder).ledger, this.read)) {
      if (stored.index >= this.take.size) break;
      this.see(stored.index, stored.entry);
      this.read = { index: stored.index + 1, offset: stored.offset + FRAME_HEAD_BYTES + stored.bytes.length };
    }
  }

  private see(index: number, { what, utcMs }: Entry): void {
    const files = takeFilesIn(this.take.folder);
    const at = { utcMs: Number(utcMs), offset: 0 };
    if (what.case === "takeStart") for (const { number, id } of what.value.tracks) this.trackIds.set(number, id);
    else if (what.case === "stretchStart") {
      const { track, stretch } = what.value;
      this.add(index, { ...at, file: files.header(this.trackIds.get(track) ?? "", stretch) });
    } else if (what.case === "parcel") {
      const { track, segment, offsetInSegment, bytes, sequence } = what.value;
      const parcel = `${track} ${sequence}`;
      this.indexOfParcel.set(parcel, index);
      this.add(index, { ...at, file: files.segment(this.trackIds.get(track) ?? "", segment), offset: offsetInSegment, bytes, parcel });
    } else if (what.case === "gap")
      for (const sequence of what.value.lostParcels) {
        const lost = this.indexOfParcel.get(`${what.value.track} ${sequence}`);
        if (lost !== undefined) this.settle(lost);
      }
  }

  private add(index: number, piece: Piece): void {
    this.pieces.set(index, piece);
    this.queueOf(index).push(index);
  }

  private queueOf(index: number): number[] {
    return this.isHeader(index) ? this.waitingHeaders : this.waiting;
  }

  private *entriesFrom(first: number, to: number): Generator<StoredEntry> {
    // Only after a reconnect does a batch begin before the last one's end.
    if (this.sent.index > first) this.sent = { index: 0, offset: 0 };
    for (const stored of readEntries(takeFilesIn(this.take.folder).ledger, this.sent)) {
      if (stored.index >= to) return;
      this.sent = { index: stored.index + 1, offset: stored.offset + FRAME_HEAD_BYTES + stored.bytes.length };
      if (stored.index >= first) yield stored;
    }
  }

  /** Signed notes that the hub has not been given on this connection and whose entries it will have. */
  private async notesUpTo(size: number): Promise<{ texts: string[]; bytes: number }> {
    const text = await readFrom(takeFilesIn(this.take.folder).checkpoints, this.notesAckedBytes);
    const texts: string[] = [];
    let bytes = this.notesAckedBytes;
    for (const note of splitNotes(text).notes) {
      const covers = Number(note.split("\n")[1]);
      if (!(covers <= size)) break;
      bytes += Buffer.byteLength(noteForFile(note));
      texts.push(note);
    }
    return { texts, bytes };
  }
}

async function readFrom(file: string, offset: number): Promise<string> {
  const handle = await open(file, "r");
  try {
    const bytes = Buffer.alloc(Math.max(0, (await handle.stat()).size - offset));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    return bytes.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}
