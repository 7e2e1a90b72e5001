import { fdatasync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { syncFolder } from "@xiezhi/base/files.ts";
import type { HeldIndex } from "./held-index.ts";

const syncFile = promisify(fdatasync);

/** Bytes that are in the page cache at their place, and where to note that they are held. */
export interface Placed {
  file: string;
  handle: FileHandle;
  /** The file was just made: its folder is to be synced too. */
  fresh: boolean;
  index: number;
  held: HeldIndex;
}

/**
 * Group commit: while one round syncs, the next collects. A round syncs each file once, then each take's held index; what it
 * covered is then durable. One disk round trip thus serves all rooms that are sending.
 */
export class SyncRounds {
  private waiting: { placed: Placed; done: PromiseWithResolvers<void> }[] = [];
  private running: Promise<void> | undefined;

  /** Resolves when the bytes and their held record are durable; rejects with what the disk says. Closes the handle. */
  commit(placed: Placed): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.waiting.push({ placed, done });
    this.running ??= this.run();
    return done.promise;
  }

  /** Resolves when nothing is being synced. */
  async idle(): Promise<void> {
    while (this.running) await this.running;
  }

  private async run(): Promise<void> {
    // One turn of the loop, so that what arrives together is committed together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const round = this.waiting;
      this.waiting = [];
      const synced = await Promise.allSettled(syncEach(round.map(({ placed }) => placed)));
      const good = round.filter((_, at) => synced[at]?.status === "fulfilled");
      const noted = await noteHeld(good.map(({ placed }) => placed));
      for (const [at, { placed, done }] of round.entries()) {
        const result = synced[at];
        const failure = result?.status === "rejected" ? result.reason : noted.get(placed.held);
        if (failure === undefined) done.resolve();
        else done.reject(failure);
      }
    }
    this.running = undefined;
  }
}

/** One promise for each, one sync for each file. */
function syncEach(placed: readonly Placed[]): Promise<void>[] {
  const byFile = new Map<string, Promise<void>>();
  const freshFolders = new Set(placed.filter(({ fresh }) => fresh).map(({ file }) => dirname(file)));
  return placed.map(async ({ file, handle }) => {
    const running = byFile.get(file) ?? syncOne(handle, freshFolders.has(dirname(file)) ? dirname(file) : undefined);
    byFile.set(file, running);
    try {
      await running;
    } finally {
      await handle.close();
    }
  });
}

async function syncOne(handle: FileHandle, folder: string | undefined): Promise<void> {
  await handle.datasync();
  if (folder !== undefined) syncFolder(folder);
}

/** Which takes' indices could not be written, and why. */
async function noteHeld(placed: readonly Placed[]): Promise<Map<HeldIndex, unknown>> {
  const byIndex = Map.groupBy(placed, ({ held }) => held);
  const failed = new Map<HeldIndex, unknown>();
  await Promise.all(
    [...byIndex].map(async ([held, pieces]) => {
      try {
        held.append(pieces.map(({ index }) => index));
        await syncFile(held.fd);
      } catch (error) {
        failed.set(held, error);
      }
    }),
  );
  return failed;
}
