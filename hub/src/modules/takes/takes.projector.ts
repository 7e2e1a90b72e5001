import { create } from "@bufbuild/protobuf";
import { decodeEntry } from "@xiezhi/ledger/entries.ts";
import type {
  IngestService,
  ReadEntriesResponse,
  TakeProgress,
  WatchTakesResponse,
} from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { TakeStartSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { ReadingCopyState, type Take, TakeState } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import type { Tx } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import { type Effect, project } from "./takes.projection.ts";
import type { Projected, TakesStore } from "./takes.store.ts";

/** Ingest is asked again this long after it went. */
const AGAIN_MS = 1_000;

/** Topic of the hints that pages showing a take follow. */
export function takeTopic(takeId: string): string {
  return `takes/${takeId}`;
}

/** How far a take is at the hub, and when ingest said so. */
export interface Progress extends TakeProgress {
  provenAtMs: number;
}

/**
 * Follows ingest and projects ledgers into the database: the only writer of takes and of their links. Each batch of entries and
 * the index that it reached are one transaction, so entries count once however often they are read; a rebuild is the same
 * code from index 0.
 */
export class Projector {
  private readonly platform: Platform;
  private readonly store: TakesStore;
  private readonly hearings: HearingsService;
  private readonly ingest: Client<typeof IngestService>;
  private readonly stopped = new AbortController();
  private readonly progress = new Map<string, Progress>();
  /** How many entries of each take are projected. */
  private readonly reached = new Map<string, number>();
  /** Ended, and their reading copy is ordered: of these only a longer ledger is news. */
  private readonly settled = new Set<string>();
  /** Takes of which more is known than was seen to. */
  private readonly news = new Set<string>();
  private readonly working = new Map<string, Promise<void>>();
  /** Who pressed the button of a take that still runs. */
  private readonly running = new Map<string, string>();
  private following: Promise<void> | undefined;

  constructor(platform: Platform, store: TakesStore, hearings: HearingsService, ingest: Client<typeof IngestService>) {
    this.platform = platform;
    this.store = store;
    this.hearings = hearings;
    this.ingest = ingest;
  }

  async begin(): Promise<void> {
    for (const { id, entries, userId, running, settled } of await this.store.reached()) {
      this.reached.set(id, entries);
      if (running) this.running.set(id, userId);
      if (settled) this.settled.add(id);
    }
    this.following = this.follow();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.following;
    await Promise.all(this.working.values());
  }

  progressOf(takeId: string): Progress | undefined {
    return this.progress.get(takeId);
  }

  /** A hearing that this user began is still being recorded. */
  hasRunning(userId: string): boolean {
    return [...this.running.values()].includes(userId);
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        for await (const message of this.ingest.watchTakes({}, { signal })) this.heard(message);
      } catch (error) {
        if (!signal.aborted) this.platform.log.warn({ why: (error as Error).message }, "ingest can't be heard and is asked again");
      }
      await this.platform.clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }

  private heard({ takes }: WatchTakesResponse): void {
    for (const take of takes) {
      this.progress.set(take.takeId, { ...take, provenAtMs: this.platform.clock.nowMs() });
      this.catchUp(take.takeId);
    }
  }

  private catchUp(takeId: string): void {
    if (this.settled.has(takeId) && this.reached.get(takeId) === Number(this.progress.get(takeId)?.ledgerSize)) return;
    this.news.add(takeId);
    if (!this.working.has(takeId)) this.working.set(takeId, this.work(takeId));
  }

  /** One at a time for each take; news that come meanwhile are seen to before it rests. */
  private async work(takeId: string): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted && this.news.delete(takeId)) {
      try {
        await this.bring(takeId);
      } catch (error) {
        if (signal.aborted) break;
        this.platform.log.error({ err: error, takeId }, "a take is not projected and is tried again");
        this.news.add(takeId);
        await this.platform.clock.sleep(AGAIN_MS, signal).catch(() => undefined);
      }
    }
    this.working.delete(takeId);
  }

  private async bring(takeId: string): Promise<void> {
    for (
      let from = this.reached.get(takeId) ?? 0;
      from < Number(this.progress.get(takeId)?.ledgerSize ?? 0n) && !this.stopped.signal.aborted;
    ) {
      for await (const batch of this.ingest.readEntries({ takeId, from: BigInt(from) }, { signal: this.stopped.signal }))
        await this.enter(takeId, batch);
      const reached = this.reached.get(takeId) ?? 0;
      if (reached === from) break;
      from = reached;
    }
    await this.whenWhole(takeId);
    this.platform.hints.touch(takeTopic(takeId));
  }

  private async enter(takeId: string, { first, entries }: ReadEntriesResponse): Promise<void> {
    const reached = await this.platform.database.transaction(async (tx) => {
      const known = (await this.store.get(tx, takeId)) ?? this.store.empty();
      const skipped = known.entries - Number(first);
      if (skipped < 0) throw new Error(`entries from ${first} do not join ${known.entries}`);
      const added = entries.slice(skipped);
      for (const bytes of added) await this.enterOne(tx, known, bytes);
      if (added.length === 0) return known.entries;
      // What ingest calls it is what its certificate and its first entry agreed on.
      if (known.take.id !== takeId) throw new Error("the ledger is another take's");
      const next = { ...known, entries: known.entries + added.length };
      await this.store.save(tx, next);
      return next.entries;
    });
    this.reached.set(takeId, reached);
  }

  private async enterOne(tx: Tx, projected: Projected, bytes: Uint8Array): Promise<void> {
    const { take } = projected;
    const effect = project(take, decodeEntry(bytes));
    if (!effect) return;
    if (effect.kind === "began") projected.userId = effect.start.userId;
    await this.tellHearings(tx, take, effect);
    tx.afterCommit(() => {
      if (take.state === TakeState.ENDED) this.running.delete(take.id);
      else this.running.set(take.id, projected.userId);
    });
  }

  private async tellHearings(tx: Tx, { id, siteId, roomId, title, startedAtMs }: Take, effect: Effect): Promise<void> {
    const take = create(TakeStartSchema, { takeId: id, siteId, roomId, title, utcUs: startedAtMs * 1_000n });
    if (effect.kind === "began") await this.hearings.takeBegan(tx, effect.start, effect.atUs);
    else if (effect.kind === "linked")
      await this.hearings.takeLinked(tx, take, effect.link.hearingId, effect.link.caseReferences, effect.atUs);
    else await this.hearings.takeLeft(tx, take, effect.atUs, effect.kind === "unlinked" ? effect.hearingId : undefined);
  }

  /** Ended, projected to its last entry, and every segment in both stores: the copies that are made of it can be. */
  private async whenWhole(takeId: string): Promise<void> {
    const progress = this.progress.get(takeId);
    if (!progress || progress.segmentsFinished === 0n || progress.segmentsTwice < progress.segmentsFinished) return;
    if (progress.parcelsHeld + progress.parcelsLost < progress.parcelsKnown) return;
    const found = await this.store.get(undefined, takeId);
    if (found?.take.state !== TakeState.ENDED || found.entries < Number(progress.ledgerSize)) return;
    this.settled.add(takeId);
    if (found.readingCopy !== ReadingCopyState.UNSPECIFIED) return;
    await this.platform.database.transaction(async (tx) => {
      await this.store.setReadingCopy(tx, takeId, ReadingCopyState.WAITING);
      const { siteId, roomId, endedAtMs } = found.take;
      await this.platform.tells.tell(tx, {
        what: "takes.whole",
        objectId: takeId,
        siteId,
        validAtMs: Number(endedAtMs),
        facts: { roomId },
      });
    });
  }
}
