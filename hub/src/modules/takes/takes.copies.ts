import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { inside } from "@xiezhi/base/files.ts";
import { ReadingCopyState } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { runChild } from "../../platform/jobs/child.ts";
import type { Platform } from "../../platform/module.ts";
import type { StoredMedia } from "./takes.media.ts";
import { takeTopic } from "./takes.projector.ts";
import type { TakesStore } from "./takes.store.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("@xiezhi/media/export/reading-copy.main.ts"));
/** A take ends at 24 h; mixing runs many times faster than that. */
const WITHIN_MS = 2 * 3_600_000;

/** Reading copies, made by a process of their own when a take is whole. They are derived: they can be made again. */
export class ReadingCopies {
  private readonly platform: Platform;
  private readonly store: TakesStore;
  private readonly media: StoredMedia;
  private readonly folder: string;
  private readonly stopped = new AbortController();

  constructor(platform: Platform, store: TakesStore, media: StoredMedia, folder: string) {
    this.platform = platform;
    this.store = store;
    this.media = media;
    this.folder = folder;
  }

  stop(): void {
    this.stopped.abort();
  }

  async open(takeId: string): Promise<FileHandle | undefined> {
    const found = await this.store.get(undefined, takeId);
    return found?.readingCopy === ReadingCopyState.READY ? open(this.fileOf(takeId), "r").catch(() => undefined) : undefined;
  }

  /** Made at least once; a repetition makes it again. What is sealed is mixed for nobody. */
  async make(takeId: string): Promise<void> {
    const found = await this.store.get(undefined, takeId);
    if (!found || found.readingCopy === ReadingCopyState.READY) return;
    if (found.take.spans.some(({ type }) => type === "sealed")) return this.becomes(takeId, ReadingCopyState.FAILED, "sealed");
    await this.becomes(takeId, ReadingCopyState.MAKING);
    const to = this.fileOf(takeId);
    await mkdir(dirname(to), { recursive: true });
    const input = { folder: await this.media.folder(takeId), layout: "store", to };
    try {
      await runChild(this.platform.clock, { program: PROGRAM, input, withinMs: WITHIN_MS, signal: this.stopped.signal });
    } catch (error) {
      if (this.stopped.signal.aborted) throw error;
      this.platform.log.error({ err: error, takeId }, "a reading copy was not made");
      return this.becomes(takeId, ReadingCopyState.FAILED, error instanceof Error ? error.message : "");
    }
    await this.becomes(takeId, ReadingCopyState.READY);
  }

  private async becomes(takeId: string, state: ReadingCopyState, reason = ""): Promise<void> {
    await this.platform.database.transaction(async (tx) => {
      await this.store.setReadingCopy(tx, takeId, state, reason);
      tx.afterCommit(() => this.platform.hints.touch(takeTopic(takeId)));
    });
  }

  private fileOf(takeId: string): string {
    return inside(this.folder, takeId, "reading-copy.m4a");
  }
}
