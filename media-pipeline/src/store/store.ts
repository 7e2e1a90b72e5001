import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { inside, readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { roomKeyName } from "@xiezhi/ledger/checkpoint.ts";
import type { StoredEntry } from "@xiezhi/ledger/entries.ts";
import { formatVerifierKey, parseVerifierKey, type Verifier } from "@xiezhi/ledger/note.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { readEntries } from "../ledger-file.ts";
import { sha256 } from "../signing.ts";
import { completeFile, Publisher, writeComplete } from "./publisher.ts";
import { storeErrors } from "./store.errors.ts";
import { StoredTake } from "./stored-take.ts";
import { SyncRounds } from "./sync-rounds.ts";
import { type Standing, Trouble, whyOf } from "./trouble.ts";
import { TwoStores } from "./two-stores.ts";

interface StoreOptions {
  clock: Clock;
  log: Log;
  /** Takes that are being gathered, and the rooms' keys. */
  stateFolder: string;
  storeFolder: string;
  backupFolder: string;
  /** Nothing more is taken while fewer bytes than this are free: the database lives beside. */
  reserveBytes?: number;
}

/** How far a take is at the hub. */
export interface TakeProgress {
  takeId: string;
  siteId: string;
  roomId: string;
  ledgerSize: number;
  parcelsKnown: number;
  parcelsHeld: number;
  parcelsLost: number;
  segmentsFinished: number;
  segmentsTwice: number;
  heldThroughUs: number;
  heardAtMs: number;
}

const RESERVE_BYTES = 256 << 20;
const SPACE_CHECK_MS = 2_000;

/** What the hub keeps of takes: the only owner of ledger copies, open segments and finished objects. */
export class Store {
  private readonly options: StoreOptions;
  private readonly rounds = new SyncRounds();
  private readonly publisher: Publisher;
  private readonly trouble: Trouble;
  private readonly open = new Map<string, StoredTake>();
  private readonly opening = new Map<string, Promise<StoredTake>>();
  private readonly complete = new Map<string, TakeProgress>();
  private readonly listeners = new Set<(takeId: string | undefined) => void>();
  private spaceCheck: Timer | undefined;
  private readonly twiceListeners = new Set<(takeId: string, indices: number[]) => void>();

  private constructor(options: StoreOptions) {
    const { clock, log } = options;
    this.options = options;
    this.trouble = new Trouble(clock, log);
    this.trouble.onChange = () => this.tell(undefined);
    this.publisher = new Publisher({
      clock,
      log,
      stores: new TwoStores(options.storeFolder, options.backupFolder),
      trouble: this.trouble,
      events: {
        changed: ({ takeId }) => this.tell(takeId),
        twice: ({ takeId }, indices) => {
          for (const listener of this.twiceListeners) listener(takeId, indices);
        },
        done: (take) => this.finish(take),
      },
    });
  }

  /** Finds out from the files alone where it stood. A damaged take is reported and left alone; the others go on. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options);
    const takes = join(options.stateFolder, "takes");
    for (const folder of [takes, join(options.stateFolder, "keys"), options.storeFolder, options.backupFolder])
      await mkdir(folder, { recursive: true });
    for (const takeId of await readdir(takes)) {
      try {
        await store.recover(takeId);
      } catch (error) {
        store.trouble.set(takeId, whyOf(error), "TAKE_DAMAGED");
        options.log.error({ takeId, err: error }, "a take can't be gone on with");
      }
    }
    await store.checkSpace();
    store.spaceCheck = options.clock.every(SPACE_CHECK_MS, () => void store.checkSpace());
    return store;
  }

  /**
   * The take of this room, new or known. Throws STORE_WRONG_KEY when the key is not the one that the room came with first,
   * STORE_UNKNOWN_TAKE when the take is another room's.
   */
  async take(takeId: string, room: { siteId: string; roomId: string }, verifierKey: string): Promise<StoredTake> {
    // A name from outside: refused before anything is written.
    this.folderOf(takeId);
    const verifier = await this.enrolled(room, verifierKey);
    return this.guarded(async () => {
      const take = await (this.known(takeId) ?? this.begin(takeId, room, verifier));
      if (take.owner.siteId !== room.siteId || take.owner.roomId !== room.roomId) throw storeErrors.notYours(takeId);
      return take;
    });
  }

  /** Resolves with the size when all is synced; refused while the store is in trouble. */
  async append(take: StoredTake, first: number, leaves: readonly Uint8Array[], notes: readonly string[]): Promise<number> {
    return this.heard(take, () => take.ledger.append(first, leaves, notes));
  }

  /** Resolves when the bytes are durable here. */
  async place(take: StoredTake, index: number, header: boolean, data: Uint8Array): Promise<void> {
    return this.heard(take, () => take.place(index, header, data));
  }

  /** All takes that have entries. */
  progress(): TakeProgress[] {
    return [...this.complete.values(), ...[...this.open.values()].map((take) => progressOf(take))].filter(
      ({ ledgerSize }) => ledgerSize > 0,
    );
  }

  progressOf(takeId: string): TakeProgress | undefined {
    const take = this.open.get(takeId);
    return take ? progressOf(take) : this.complete.get(takeId);
  }

  /** What is wrong now, until it works again. */
  get alarms(): Standing[] {
    return this.trouble.standing;
  }

  /** Synced entries of a take from that index on. Throws STORE_UNKNOWN_TAKE. */
  read(takeId: string, from: number): Iterable<StoredEntry> {
    const take = this.open.get(takeId);
    if (take) return take.read(from);
    const summary = this.complete.get(takeId);
    if (!summary) throw storeErrors.notYours(takeId);
    return since(readEntries(join(this.folderOf(takeId), "ledger")), from, summary.ledgerSize);
  }

  /** Called with the take that changed, or nothing when the store's trouble did. Returns the way to stop it. */
  onChange(listener: (takeId: string | undefined) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Called with entries whose bytes now lie in both stores. Returns the way to stop it. */
  onTwice(listener: (takeId: string, indices: number[]) => void): () => void {
    this.twiceListeners.add(listener);
    return () => this.twiceListeners.delete(listener);
  }

  async close(): Promise<void> {
    this.spaceCheck?.cancel();
    await this.rounds.idle();
    await this.publisher.stop();
    for (const take of this.open.values()) take.close();
    this.open.clear();
  }

  private async heard<T>(take: StoredTake, write: () => Promise<T>): Promise<T> {
    take.busy++;
    try {
      const result = await this.guarded(write);
      take.heardAtMs = this.options.clock.nowMs();
      this.tell(take.takeId);
      return result;
    } finally {
      take.busy--;
      this.publisher.tend(take);
    }
  }

  private tell(takeId: string | undefined): void {
    for (const listener of this.listeners) listener(takeId);
  }

  /** What the disk refuses becomes trouble that is told and refused with; the next success clears it. */
  private async guarded<T>(write: () => Promise<T>): Promise<T> {
    const full = this.trouble.has("space");
    if (full !== undefined) throw storeErrors.trouble(full);
    try {
      const result = await write();
      this.trouble.clear("disk");
      return result;
    } catch (error) {
      if (isXiezhiError(error)) throw error;
      this.trouble.set("disk", whyOf(error));
      this.options.log.error({ err: error }, "the hub's disk refuses");
      throw storeErrors.trouble(whyOf(error));
    }
  }

  private async checkSpace(): Promise<void> {
    const { stateFolder, reserveBytes = RESERVE_BYTES } = this.options;
    try {
      const { bavail, bsize } = await statfs(stateFolder);
      if (bavail * bsize < reserveBytes) this.trouble.set("space", "ENOSPC");
      else this.trouble.clear("space");
    } catch (error) {
      this.trouble.set("space", whyOf(error));
    }
  }

  /** The room's key: the first one it comes with is pinned, unless provisioning has put one there before. */
  private async enrolled({ siteId, roomId }: { siteId: string; roomId: string }, line: string): Promise<Verifier> {
    const name = roomKeyName(siteId, roomId);
    let verifier: Verifier;
    try {
      verifier = parseVerifierKey(sha256, line);
    } catch {
      throw storeErrors.wrongKey(name);
    }
    const file = inside(join(this.options.stateFolder, "keys"), siteId, roomId);
    const pinned = await readIfThere(file);
    if (verifier.name !== name || (pinned !== undefined && pinned.trim() !== formatVerifierKey(verifier))) throw storeErrors.wrongKey(name);
    if (pinned === undefined) await this.guarded(() => writeDurably(file, `${formatVerifierKey(verifier)}\n`));
    return verifier;
  }

  private folderOf(takeId: string): string {
    return inside(join(this.options.stateFolder, "takes"), takeId);
  }

  private known(takeId: string): StoredTake | Promise<StoredTake> | undefined {
    const summary = this.complete.get(takeId);
    return this.open.get(takeId) ?? this.opening.get(takeId) ?? (summary && this.reopen(takeId));
  }

  private begin(takeId: string, room: { siteId: string; roomId: string }, verifier: Verifier): Promise<StoredTake> {
    return this.once(takeId, async () => {
      const folder = this.folderOf(takeId);
      await writeDurably(join(folder, "verifier-key"), `${formatVerifierKey(verifier)}\n`);
      await writeDurably(join(folder, "owner.json"), JSON.stringify({ siteId: room.siteId, roomId: room.roomId }));
      return this.load(takeId);
    });
  }

  private reopen(takeId: string): Promise<StoredTake> {
    return this.once(takeId, async () => {
      const take = await this.load(takeId);
      this.publisher.tend(take);
      return take;
    });
  }

  private once(takeId: string, make: () => Promise<StoredTake>): Promise<StoredTake> {
    const made = make().finally(() => this.opening.delete(takeId));
    this.opening.set(takeId, made);
    return made;
  }

  private async load(takeId: string): Promise<StoredTake> {
    const folder = this.folderOf(takeId);
    const { siteId, roomId } = JSON.parse((await readIfThere(join(folder, "owner.json"))) ?? "{}") as { siteId: string; roomId: string };
    const verifier = parseVerifierKey(sha256, (await readIfThere(join(folder, "verifier-key"))) ?? "");
    const take = new StoredTake({ takeId, owner: { siteId, roomId, verifier }, folder, rounds: this.rounds });
    this.complete.delete(takeId);
    this.open.set(takeId, take);
    return take;
  }

  private async recover(takeId: string): Promise<void> {
    const folder = this.folderOf(takeId);
    // Begun, but nothing was answered for yet.
    if ((await readIfThere(join(folder, "owner.json"))) === undefined) return rm(folder, { recursive: true });
    const summary = await readIfThere(completeFile(folder));
    if (summary !== undefined) {
      const { ledgerBytes, ...progress } = JSON.parse(summary) as TakeProgress & { ledgerBytes: number };
      if ((await stat(join(folder, "ledger"))).size === ledgerBytes) {
        this.complete.set(takeId, progress);
        return;
      }
    }
    this.publisher.tend(await this.load(takeId));
  }

  private async finish(take: StoredTake): Promise<void> {
    if (take.busy > 0 || take.closed) return;
    const progress = progressOf(take);
    await writeComplete(take.folder, { ...progress, ledgerBytes: take.ledger.lengths.ledger });
    // A caller that came meanwhile calls `tend` when it is done.
    if (take.busy > 0) return;
    this.complete.set(take.takeId, progress);
    this.open.delete(take.takeId);
    take.close();
    await rm(join(take.folder, "open"), { recursive: true, force: true });
    this.tell(take.takeId);
  }
}

function progressOf(take: StoredTake): TakeProgress {
  const { counts, heldThroughUs } = take.pieces;
  return {
    takeId: take.takeId,
    siteId: take.owner.siteId,
    roomId: take.owner.roomId,
    ledgerSize: take.ledger.size,
    parcelsKnown: counts.known,
    parcelsHeld: counts.held,
    parcelsLost: counts.lost,
    segmentsFinished: take.finished,
    segmentsTwice: take.twice,
    heldThroughUs: Math.floor(heldThroughUs),
    heardAtMs: take.heardAtMs,
  };
}

function* since(entries: Iterable<StoredEntry>, from: number, size: number): Generator<StoredEntry> {
  for (const entry of entries) {
    if (entry.index >= size) return;
    if (entry.index >= from) yield entry;
  }
}
