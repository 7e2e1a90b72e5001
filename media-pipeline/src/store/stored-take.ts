import { constants, mkdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { inside, syncFolder } from "@xiezhi/base/files.ts";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import { originOf } from "@xiezhi/ledger/checkpoint.ts";
import type { StoredEntry } from "@xiezhi/ledger/entries.ts";
import type { Verifier } from "@xiezhi/ledger/note.ts";
import type { Entry } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { sha256 } from "../signing.ts";
import { makeFolder } from "./durable.ts";
import { HeldIndex } from "./held-index.ts";
import { LedgerCopy } from "./ledger-copy.ts";
import { type Piece, Pieces, type Segment } from "./pieces.ts";
import { storeErrors } from "./store.errors.ts";
import type { SyncRounds } from "./sync-rounds.ts";

interface TakeOwner {
  siteId: string;
  roomId: string;
  verifier: Verifier;
}

const TRACKS_MAX = 256;
const TRACK_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** A take while the hub is gathering it: ledger copy, open segment files and held index, all below its `folder`. */
export class StoredTake {
  readonly takeId: string;
  readonly owner: TakeOwner;
  readonly ledger: LedgerCopy;
  readonly pieces: Pieces;
  readonly folder: string;
  private readonly held: HeldIndex;
  private readonly rounds: SyncRounds;
  private readonly made = new Set<string>();
  /** Objects in the store, and in both stores. */
  finished = 0;
  twice = 0;
  /** UTC ms of the last entry or byte. */
  heardAtMs = 0;
  /** Calls under way: it is not closed meanwhile. */
  busy = 0;
  closed = false;

  constructor(options: { takeId: string; owner: TakeOwner; folder: string; rounds: SyncRounds }) {
    this.takeId = options.takeId;
    this.owner = options.owner;
    this.folder = options.folder;
    this.rounds = options.rounds;
    mkdirSync(this.folder, { recursive: true });
    this.held = new HeldIndex(join(this.folder, "held"));
    this.pieces = new Pieces(new Set(this.held.found));
    this.ledger = new LedgerCopy({
      takeId: this.takeId,
      origin: originOf(this.owner.verifier.name, this.takeId),
      verifier: this.owner.verifier,
      files: { ledger: join(this.folder, "ledger"), checkpoints: join(this.folder, "checkpoints") },
      onEntry: (entry) => this.pieces.add(entry),
      examine: (entry, index) => this.examine(entry, index),
    });
    syncFolder(this.folder);
    syncFolder(dirname(this.folder));
  }

  read(from: number): Generator<StoredEntry> {
    return this.ledger.read(from);
  }

  /** Puts bytes at their place. Resolves when they are durable; at once when they were. Throws XiezhiError, or what the disk says. */
  async place(index: number, header: boolean, data: Uint8Array): Promise<void> {
    const piece = this.pieces.get(index);
    if (!piece && this.pieces.isHeld(index)) return;
    if (piece?.header !== header) throw storeErrors.unknownParcel(index);
    if (data.length !== piece.bytes || !sameBytes(sha256(data), piece.digest)) throw storeErrors.wrongBytes(index);
    const file = this.openFile(piece);
    await this.rounds.commit({ file, ...(await this.write(file, piece.offset, data)), index, held: this.held });
    this.pieces.hold(index);
  }

  /** Where a piece lies until its file is finished. */
  openFile({ trackId, header, file }: Pick<Piece, "trackId" | "header" | "file">): string {
    return inside(join(this.folder, "open"), trackId, header ? `${file}.init.mp4` : `${String(file).padStart(6, "0")}.m4s`);
  }

  openSegmentFile({ trackId, segment }: Segment): string {
    return this.openFile({ trackId, header: false, file: segment });
  }

  /** The open file has become an object in the store. */
  forget(file: string): void {
    this.made.delete(file);
    rmSync(file, { force: true });
  }

  close(): void {
    this.closed = true;
    this.ledger.close();
    this.held.close();
  }

  private async write(
    file: string,
    offset: number,
    data: Uint8Array,
  ): Promise<{ handle: Awaited<ReturnType<typeof open>>; fresh: boolean }> {
    const fresh = !this.made.has(file);
    if (fresh) await makeFolder(dirname(file));
    const handle = await openForWriting(file);
    try {
      for (let done = 0; done < data.length; ) done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.made.add(file);
    return { handle, fresh };
  }

  /** The first entry says whose take it is and names its tracks; it is there once. */
  private examine({ what }: Entry, index: number): void {
    if ((what.case === "takeStart") !== (index === 0)) throw storeErrors.badEntry(index, "a ledger has one take-start, at its beginning");
    if (what.case !== "takeStart") return;
    const { takeId, siteId, roomId, tracks } = what.value;
    if (takeId !== this.takeId || siteId !== this.owner.siteId || roomId !== this.owner.roomId)
      throw storeErrors.badEntry(index, "it is the beginning of another take");
    const plain = tracks.every(({ id, timescale }) => TRACK_NAME.test(id) && timescale > 0);
    const distinct =
      new Set(tracks.map(({ id }) => id)).size === tracks.length && new Set(tracks.map(({ number }) => number)).size === tracks.length;
    if (!plain || !distinct || tracks.length > TRACKS_MAX) throw storeErrors.badEntry(index, "its tracks are not plainly named");
  }
}

async function openForWriting(file: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(file, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Not "w": two parcels of one new segment come side by side, and neither may empty what the other wrote.
    return open(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  }
}
