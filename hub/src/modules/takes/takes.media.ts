import { access, type FileHandle, open, readdir } from "node:fs/promises";
import { inside } from "@xiezhi/base/files.ts";
import { EntryReader } from "@xiezhi/ledger/entries.ts";
import { type TakeModel, TakeModelBuilder } from "@xiezhi/ledger/model.ts";
import { storedTakeFilesIn, type TakeFiles } from "@xiezhi/media/take-files.ts";

/** Ledgers that stay read: a page asks for each track's playlist every few seconds while a take runs. */
const KEPT = 32;
const PIECE_BYTES = 1 << 20;

interface Kept {
  builder: TakeModelBuilder;
  reader: EntryReader;
  bytes: number;
  growing: Promise<void>;
}

/** What the hub's stores hold of takes, the first store that has it: finished segments, headers, and ledgers to list them by. */
export class StoredMedia {
  private readonly stores: readonly string[];
  private readonly kept = new Map<string, Kept>();

  /** `stores`: folders, in the order in which they are asked. */
  constructor(stores: readonly string[]) {
    this.stores = stores;
  }

  /** What the take's ledger says as far as it is stored; undefined where no store has it. */
  async model(takeId: string): Promise<TakeModel | undefined> {
    const handle = await this.open(takeId, (files) => files.ledger);
    if (!handle) return undefined;
    const kept = this.kept.get(takeId) ?? {
      builder: new TakeModelBuilder(),
      reader: new EntryReader(),
      bytes: 0,
      growing: Promise.resolve(),
    };
    this.kept.delete(takeId);
    this.kept.set(takeId, kept);
    for (const oldest of this.kept.keys()) if (this.kept.size > KEPT) this.kept.delete(oldest);
    kept.growing = growAfter(kept.growing, kept, handle);
    try {
      await kept.growing;
    } catch (error) {
      // Read anew next time: the copy may have been torn where this one stopped.
      this.kept.delete(takeId);
      throw error;
    }
    return kept.builder.model;
  }

  /** Finished segments of a track that lie in any store. */
  async segments(takeId: string, trackId: string): Promise<Set<number>> {
    const found = new Set<number>();
    for (const store of this.stores) {
      const names = await readdir(inside(store, takeId, trackId)).catch(() => []);
      for (const name of names) if (/^\d{6,}\.m4s$/.test(name)) found.add(Number.parseInt(name, 10));
    }
    return found;
  }

  /** The first copy that can be opened; the caller closes it. Names that are no plain file names find nothing. */
  async open(takeId: string, file: (files: TakeFiles) => string): Promise<FileHandle | undefined> {
    for (const store of this.stores) {
      try {
        return await open(file(storedTakeFilesIn(inside(store, takeId))), "r");
      } catch (error) {
        if (error instanceof RangeError) return undefined;
      }
    }
    return undefined;
  }

  /** Where a take's folder lies in the first store that has it: for jobs that read it whole. */
  async folder(takeId: string): Promise<string | undefined> {
    for (const store of this.stores) {
      const folder = inside(store, takeId);
      if (
        await access(storedTakeFilesIn(folder).ledger).then(
          () => true,
          () => false,
        )
      )
        return folder;
    }
    return undefined;
  }
}

async function growAfter(before: Promise<void>, kept: Kept, handle: FileHandle): Promise<void> {
  try {
    await before;
    await grow(kept, handle);
  } finally {
    await handle.close();
  }
}

async function grow(kept: Kept, handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(0, size - kept.bytes)));
  while (kept.bytes < size) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, size - kept.bytes), kept.bytes);
    if (bytesRead === 0) return;
    kept.bytes += bytesRead;
    for (const { entry } of kept.reader.push(piece.subarray(0, bytesRead))) kept.builder.add(entry);
  }
}
