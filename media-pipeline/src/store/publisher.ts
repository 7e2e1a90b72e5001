import { join } from "node:path";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Piece, Segment } from "./pieces.ts";
import type { StoredTake } from "./stored-take.ts";
import { type Trouble, whyOf } from "./trouble.ts";
import type { TwoStores } from "./two-stores.ts";

const RETRY_MS = 2_000;
const MIRROR_MS = 10_000;

interface PublisherEvents {
  /** Counts of the take have changed. */
  changed(take: StoredTake): void;
  /** These entries' bytes now lie in both stores. */
  twice(take: StoredTake, indices: number[]): void;
  /** The take has ended and lies whole in both stores. */
  done(take: StoredTake): Promise<void>;
}

/** Brings what is whole into the two stores, one take after the other, and tries again by itself when a store refuses. */
export class Publisher {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly stores: TwoStores;
  private readonly trouble: Trouble;
  private readonly events: PublisherEvents;
  private readonly due = new Set<StoredTake>();
  private readonly stored = new WeakSet<Segment | Piece>();
  private readonly mirroredUs = new WeakMap<StoredTake, number>();
  private running: Promise<void> | undefined;
  private retry: Timer | undefined;
  private stopped = false;

  constructor(options: { clock: Clock; log: Log; stores: TwoStores; trouble: Trouble; events: PublisherEvents }) {
    this.clock = options.clock;
    this.log = options.log;
    this.stores = options.stores;
    this.trouble = options.trouble;
    this.events = options.events;
  }

  /** Something of the take may have become whole. */
  tend(take: StoredTake): void {
    this.due.add(take);
    if (!this.stopped) this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.retry?.cancel();
    await this.running;
  }

  private async run(): Promise<void> {
    for (let [take] = this.due; take && !this.stopped; [take] = this.due) {
      this.due.delete(take);
      if (!(await this.publish(take))) this.tryLater(take);
    }
    this.running = undefined;
  }

  private tryLater(take: StoredTake): void {
    this.retry?.cancel();
    const failed = new Set([take, ...this.due]);
    this.due.clear();
    this.retry = this.clock.after(RETRY_MS, () => {
      for (const again of failed) this.tend(again);
    });
  }

  private async publish(take: StoredTake): Promise<boolean> {
    const stored = await this.attempt("store", () => this.fillStore(take));
    const backedUp = await this.attempt("backup", () => this.fillBackup(take));
    if (!stored || !backedUp) return false;
    if (!take.pieces.done) return true;
    const { size } = take.ledger;
    const sealed =
      (await this.attempt("store", () => this.stores.sealLedger("store", take))) &&
      (await this.attempt("backup", () => this.stores.sealLedger("backup", take)));
    if (!sealed) return false;
    // What came meanwhile has called `tend` again.
    if (take.ledger.size === size && take.pieces.done) await this.events.done(take);
    return true;
  }

  private async attempt(which: "store" | "backup", fill: () => Promise<void>): Promise<boolean> {
    try {
      await fill();
      this.trouble.clear(which);
      return true;
    } catch (error) {
      this.trouble.set(which, whyOf(error));
      this.log.debug({ err: error, which }, "publishing failed");
      return false;
    }
  }

  private async fillStore(take: StoredTake): Promise<void> {
    await this.stores.storeKey("store", take);
    for (const header of take.pieces.wholeHeaders()) {
      if (this.stored.has(header)) continue;
      await this.stores.storeHeader(take, header);
      this.stored.add(header);
    }
    for (const segment of take.pieces.whole()) {
      if (this.stored.has(segment)) continue;
      if (!(await this.stores.storeSegment(take, segment))) {
        take.pieces.drop(segment);
        continue;
      }
      this.stored.add(segment);
      take.finished++;
      this.events.changed(take);
    }
    if (this.mirrorIsDue(take)) await this.stores.mirrorLedger("store", take);
  }

  private async fillBackup(take: StoredTake): Promise<void> {
    await this.stores.storeKey("backup", take);
    for (const header of take.pieces.wholeHeaders()) {
      if (!this.stored.has(header)) continue;
      await this.stores.backUpHeader(take, header);
      take.pieces.dropHeader(header);
      take.forget(take.openFile(header));
      this.events.twice(take, [header.index]);
    }
    for (const segment of take.pieces.whole()) {
      if (!this.stored.has(segment)) continue;
      await this.stores.backUpSegment(take, segment);
      const held = segment.pieces.filter(({ index }) => take.pieces.isHeld(index));
      take.pieces.drop(segment);
      take.forget(take.openSegmentFile(segment));
      take.twice++;
      this.events.changed(take);
      this.events.twice(
        take,
        held.map(({ index }) => index),
      );
    }
    if (!this.mirrorIsDue(take)) return;
    await this.stores.mirrorLedger("backup", take);
    this.mirroredUs.set(take, this.clock.monoUs());
  }

  private mirrorIsDue(take: StoredTake): boolean {
    const last = this.mirroredUs.get(take);
    return last === undefined || this.clock.monoUs() - last >= MIRROR_MS * 1e3;
  }
}

/** A take that lies whole in both stores is not opened again after a restart; this file says what it was. */
export function completeFile(folder: string): string {
  return join(folder, "complete.json");
}

export async function writeComplete(folder: string, summary: unknown): Promise<void> {
  await writeDurably(completeFile(folder), JSON.stringify(summary));
}
