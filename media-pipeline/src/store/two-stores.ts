import { open } from "node:fs/promises";
import { join } from "node:path";
import { freeBox, storedTakeFilesIn, type TakeFiles } from "../take-files.ts";
import { copyDurably, lengthOf, mirror, moveDurably } from "./durable.ts";
import type { Piece, Segment } from "./pieces.ts";
import type { StoredTake } from "./stored-take.ts";

/** The two durable copies: STORE_URL and BACKUP_URL, as folders. Objects in them are immutable; ledgers grow. */
export class TwoStores {
  private readonly store: string;
  private readonly backup: string;

  constructor(storeFolder: string, backupFolder: string) {
    this.store = storeFolder;
    this.backup = backupFolder;
  }

  /** Makes the whole segment an object of the store: what is lost of it becomes a free box. False: none of it is held. */
  async storeSegment(take: StoredTake, segment: Segment): Promise<boolean> {
    const to = this.filesOf("store", take).segment(segment.trackId, segment.segment);
    if ((await lengthOf(to)) === segment.bytes) return true;
    const lost = take.pieces.lostOf(segment);
    if (lost.length === segment.pieces.length) return false;
    const from = take.openSegmentFile(segment);
    await complete(from, segment.bytes, lost);
    await moveDurably(from, to);
    return true;
  }

  async backUpSegment(take: StoredTake, { trackId, segment, bytes }: Segment): Promise<void> {
    const to = this.filesOf("backup", take).segment(trackId, segment);
    if ((await lengthOf(to)) !== bytes) await copyDurably(this.filesOf("store", take).segment(trackId, segment), to);
  }

  async storeHeader(take: StoredTake, { trackId, file, bytes }: Piece): Promise<void> {
    const to = this.filesOf("store", take).header(trackId, file);
    if ((await lengthOf(to)) !== bytes) await moveDurably(take.openFile({ trackId, header: true, file }), to);
  }

  async backUpHeader(take: StoredTake, { trackId, file, bytes }: Piece): Promise<void> {
    const to = this.filesOf("backup", take).header(trackId, file);
    if ((await lengthOf(to)) !== bytes) await copyDurably(this.filesOf("store", take).header(trackId, file), to);
  }

  /** Brings the copies of the ledger and its checkpoints up to what is synced here. */
  async mirrorLedger(which: "store" | "backup", take: StoredTake): Promise<void> {
    const to = this.filesOf(which, take);
    const { ledger, checkpoints } = take.ledger.lengths;
    await mirror(join(take.folder, "ledger"), to.ledger, ledger);
    await mirror(join(take.folder, "checkpoints"), to.checkpoints, checkpoints);
  }

  /** The last word of an ended take: whole copies, whatever a crash has left of the growing ones. */
  async sealLedger(which: "store" | "backup", take: StoredTake): Promise<void> {
    const to = this.filesOf(which, take);
    await copyDurably(join(take.folder, "verifier-key"), to.verifierKey);
    await copyDurably(join(take.folder, "ledger"), to.ledger);
    await copyDurably(join(take.folder, "checkpoints"), to.checkpoints);
  }

  /** The room's public key, so that whoever finds the folder can verify it. */
  async storeKey(which: "store" | "backup", take: StoredTake): Promise<void> {
    const to = this.filesOf(which, take).verifierKey;
    if ((await lengthOf(to)) < 0) await copyDurably(join(take.folder, "verifier-key"), to);
  }

  private filesOf(which: "store" | "backup", { takeId }: StoredTake): TakeFiles {
    return storedTakeFilesIn(join(which === "store" ? this.store : this.backup, takeId));
  }
}

async function complete(file: string, bytes: number, lost: readonly Piece[]): Promise<void> {
  const handle = await open(file, "r+");
  try {
    for (const piece of lost) await handle.write(freeBox(piece.bytes), 0, piece.bytes, piece.offset);
    await handle.truncate(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
