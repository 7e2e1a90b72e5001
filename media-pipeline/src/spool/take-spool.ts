import { readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { syncFolder } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type EntryInit, encodeEntry } from "@xiezhi/ledger/entries.ts";
import type { TakeModel } from "@xiezhi/ledger/model.ts";
import type { Signer } from "@xiezhi/ledger/note.ts";
import { GapCause } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { LedgerFile } from "../ledger-file.ts";
import type { JournalLine, ParcelLine } from "./journal.ts";
import { JournalReader } from "./journal-reader.ts";
import { LedgerMemory } from "./ledger-memory.ts";
import { entryOf, ledgerTrack } from "./line-entries.ts";
import { parcelIsThere } from "./parcel-bytes.ts";
import { SyncedFiles } from "./synced-files.ts";
import { takeFolder } from "./take-folder.ts";

const ROUND_MS = 1_000;
/** Signed in the first round after this: less than 10 s apart. */
const CHECKPOINT_US = 8.5e6;

export interface TakeSpoolOptions {
  folder: string;
  takeId: string;
  signer: Signer;
  clock: Clock;
  log: Log;
  /** After each round that made something durable. */
  onDurable(): void;
}

/** Entries of the agent's own that wait for the next round. */
interface Waiting {
  entries: readonly EntryInit[];
  done(): void;
  failed(error: unknown): void;
}

/** What a worker wrote down, and the entry that it becomes. */
interface Told {
  line: JournalLine;
  entry: EntryInit;
}

interface Collected {
  lines: Told[];
  readers: { reader: JournalReader; bytes: number }[];
  skip: Map<number, number>;
}

/**
 * A take's spool as the agent sees it. Workers write segments and journals; each second (or at once when asked) one round
 * collects new journal lines, syncs the files that they name, enters them in the ledger and syncs that: only then they are
 * durable (DECISIONS 11). Checkpoints are signed at most 10 s apart. One a take folder.
 */
export class TakeSpool {
  readonly folder: string;
  readonly takeId: string;
  private readonly options: TakeSpoolOptions;
  private readonly ledger: LedgerFile;
  private readonly memory = new LedgerMemory();
  private readonly journals = new Map<string, JournalReader>();
  private readonly files = new SyncedFiles();
  private readonly segments = new Map<number, string>();
  private readonly durable = new Map<number, number>();
  /** Journal lines of each track that are in the ledger already: read over once. */
  private skip = new Map<number, number>();
  private waiting: Waiting[] = [];
  /** Appended, not synced yet. */
  private unsynced: Waiting[] = [];
  private running: Promise<void> | undefined;
  private again = false;
  private failing = false;
  private timer: Timer | undefined;
  private signedUs: number;
  /** The machine was restarted: what journals name may not have reached the disk. */
  private doubtful = false;

  private constructor(options: TakeSpoolOptions, ledger: LedgerFile) {
    this.options = options;
    this.folder = options.folder;
    this.takeId = options.takeId;
    this.ledger = ledger;
    this.signedUs = options.clock.monoUs();
  }

  /** A new take. Durable when it resolves: only then anything may be written into its folder. */
  static async create(options: TakeSpoolOptions, ...first: EntryInit[]): Promise<TakeSpool> {
    for (const folder of [takeFolder.journals(options.folder), takeFolder.tracks(options.folder)])
      await mkdir(folder, { recursive: true, mode: 0o700 });
    syncFolder(options.folder);
    syncFolder(dirname(options.folder));
    const spool = new TakeSpool(options, await LedgerFile.open(options.folder, options.takeId, options.signer));
    spool.begin();
    await spool.add(...first);
    return spool;
  }

  /**
   * A take that an agent before this one left. Cuts a torn tail, writes `restart`, declares parcels whose bytes are gone, and
   * goes on: lines that journals have and the ledger lacks follow in the next round. A take that has ended is only read.
   */
  static async reopen(options: TakeSpoolOptions, bootId: string): Promise<TakeSpool> {
    const spool = new TakeSpool(options, await LedgerFile.open(options.folder, options.takeId, options.signer));
    const lost = spool.readBack();
    if (spool.model.end || !spool.model.start) return spool;
    const { clock } = options;
    spool.doubtful = spool.memory.zero.bootId !== bootId;
    const takeUs = spool.doubtful ? spool.civilTakeUs() : clock.monoUs() - spool.memory.zero.monoUs;
    const value = { bootId, monoUs: BigInt(clock.monoUs()), rebooted: spool.doubtful, cutEntries: spool.ledger.cutEntries };
    const restart: EntryInit = { takeUs: BigInt(takeUs), utcMs: BigInt(clock.nowMs()), what: { case: "restart", value } };
    spool.skip = new Map(spool.memory.entered);
    // Before anything that the journals have.
    spool.write([restart, ...lost.map((parcel) => spool.lostEntry(parcel))]);
    await spool.ledger.sync();
    spool.begin();
    await spool.add();
    return spool;
  }

  /** What the ledger says so far; entries of the running round included. */
  get model(): TakeModel {
    return this.memory.model;
  }

  /** The monotonic instant of tick 0, microseconds. */
  get zeroUs(): number {
    return this.memory.zero.monoUs;
  }

  /** Entries that are on disk for good. */
  get size(): number {
    return this.ledger.durableSize;
  }

  /** Take time through which a track is durable, microseconds; 0: nothing yet. */
  durableThroughUs(track: number): number {
    return this.durable.get(track) ?? 0;
  }

  /** Enters what the agent itself has to say, behind all journal lines written so far. Resolves when it is durable. */
  add(...entries: EntryInit[]): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ entries, done, failed });
      this.collect();
    });
  }

  /** Begins a round now, or right after the one that runs. */
  collect(): void {
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = this.runRound().finally(() => {
      this.running = undefined;
      if (this.again) {
        this.again = false;
        this.collect();
      }
    });
  }

  /** Signs what there is and lets the files go. Nothing may be written into the folder any more by this agent. */
  async close(): Promise<void> {
    this.timer?.cancel();
    if (!this.model.end) await this.add().catch(() => undefined);
    while (this.running) await this.running;
    await this.ledger.checkpoint();
    await Promise.all([...this.journals.values()].map((journal) => journal.close()));
    await this.files.close();
    this.ledger.close();
  }

  private begin(): void {
    this.timer = this.options.clock.every(ROUND_MS, () => this.collect());
  }

  private async runRound(): Promise<void> {
    const taken = this.waiting;
    this.waiting = [];
    try {
      const collected = await this.readJournals();
      const entries = await this.makeDurable(collected);
      this.append(collected, entries, taken);
      await this.ledger.sync();
      this.becomeDurable();
      if (this.options.clock.monoUs() - this.signedUs >= CHECKPOINT_US) await this.sign();
      this.failing = false;
    } catch (error) {
      for (const one of taken) if (!this.unsynced.includes(one)) one.failed(error);
      if (!this.failing) this.options.log.error({ take: this.takeId, err: error }, "the spool can't be synced");
      this.failing = true;
    }
  }

  private async readJournals(): Promise<Collected> {
    const collected: Collected = { lines: [], readers: [], skip: new Map(this.skip) };
    const folder = takeFolder.journals(this.folder);
    for (const name of readdirSync(folder)) {
      const reader = this.journals.get(name) ?? new JournalReader(join(folder, name));
      this.journals.set(name, reader);
      const { lines, bytes, more } = await reader.peek();
      if (more) this.again = true;
      if (bytes > 0) collected.readers.push({ reader, bytes });
      for (const line of lines) {
        const track = ledgerTrack(line);
        if (track === undefined || !this.model.tracks.some((it) => it.number === track)) continue;
        const entry = this.entryOf(line);
        if (!entry) continue;
        const skipped = collected.skip.get(track) ?? 0;
        if (skipped > 0) collected.skip.set(track, skipped - 1);
        else collected.lines.push({ line, entry });
      }
    }
    return collected;
  }

  /**
   * Nothing for a line that can be no entry: a worker's mistake in one line must not keep all others from becoming durable.
   * What it is depends on the line alone, so that each agent that reads the journal passes over the same ones.
   */
  private entryOf(line: JournalLine): EntryInit | undefined {
    try {
      const entry = entryOf(line, (track) => this.trackOf(track).timescale, this.options.clock.nowMs());
      if (entry) encodeEntry(entry);
      return entry;
    } catch (error) {
      this.options.log.error({ take: this.takeId, line, err: error }, "a journal line can be no entry and is passed over");
      return undefined;
    }
  }

  /** Syncs what the lines name. Answers their entries, and what must be said of bytes that are not there. */
  private async makeDurable({ lines, readers }: Collected): Promise<EntryInit[]> {
    const files = new Set(lines.map(({ line }) => this.fileOf(line)).filter((file) => file !== undefined));
    const [missing] = await Promise.all([this.files.sync(files), ...readers.map(({ reader }) => reader.sync())]);
    const entries: EntryInit[] = [];
    for (const { line, entry } of lines) {
      entries.push(entry);
      if (!("parcel" in line)) continue;
      const file = this.fileOf(line) as string;
      if (missing.has(file) || (this.doubtful && !parcelIsThere(file, line.parcel))) entries.push(this.lostEntry(line.parcel));
    }
    return entries;
  }

  /** From here on the lines count as read: whatever happens now, they are not entered twice. */
  private append(collected: Collected, entries: readonly EntryInit[], taken: readonly Waiting[]): void {
    const all = [...entries, ...taken.flatMap((one) => one.entries)];
    this.write(all);
    this.unsynced.push(...taken);
    this.skip = collected.skip;
    if (collected.lines.length > 0) this.doubtful = false;
    for (const { reader, bytes } of collected.readers) reader.advance(bytes);
    for (const { line } of collected.lines) {
      if ("parcel" in line) this.releaseSegments(line.parcel);
      if ("stretch" in line) void this.files.release(this.fileOf(line) as string);
    }
  }

  private write(entries: readonly EntryInit[]): void {
    if (entries.length > 0) this.ledger.append(entries);
    for (const entry of entries) this.memory.addInit(entry);
  }

  private becomeDurable(): void {
    for (const { number } of this.model.tracks) this.durable.set(number, this.memory.throughUs(number));
    const done = this.unsynced;
    this.unsynced = [];
    for (const one of done) one.done();
    try {
      this.options.onDurable();
    } catch (error) {
      this.options.log.error({ take: this.takeId, err: error }, "who was told of a round failed");
    }
  }

  private async sign(): Promise<void> {
    await this.ledger.checkpoint();
    this.signedUs = this.options.clock.monoUs();
  }

  private fileOf(line: JournalLine): string | undefined {
    if ("parcel" in line) return takeFolder.segment(this.folder, this.trackOf(line.parcel.track).id, line.parcel.segment);
    return "stretch" in line ? takeFolder.header(this.folder, this.trackOf(line.stretch.track).id, line.stretch.stretch) : undefined;
  }

  /** Files that will not grow any more need not stay open. */
  private releaseSegments(parcel: ParcelLine): void {
    const file = this.fileOf({ parcel }) as string;
    const before = this.segments.get(parcel.track);
    if (before !== undefined && before !== file) void this.files.release(before);
    if (parcel.closesSegment) void this.files.release(file);
    this.segments.set(parcel.track, file);
  }

  private trackOf(number: number): TakeModel["tracks"][number] {
    const track = this.model.tracks.find((it) => it.number === number);
    if (!track) throw new Error(`track ${number} is not one of this take`);
    return track;
  }

  /** Reads the ledger from its first entry on. Answers parcels behind the last checkpoint whose bytes are not there. */
  private readBack(): ParcelLine[] {
    const lost: ParcelLine[] = [];
    for (const { index, entry } of this.ledger.entries()) {
      this.memory.add(entry);
      if (entry.what.case !== "parcel" || index < this.ledger.provenSize) continue;
      const { track, stretch, segment, durationTicks, bytes, offsetInSegment, key, damaged, closesSegment } = entry.what.value;
      const { sequence, ticks, digest } = entry.what.value;
      const numbers = { sequence: Number(sequence), ticks: Number(ticks), digest: Buffer.from(digest).toString("hex") };
      const parcel = { track, stretch, segment, durationTicks, bytes, offsetInSegment, key, damaged, closesSegment, ...numbers };
      if (!parcelIsThere(this.fileOf({ parcel }) as string, parcel)) lost.push(parcel);
    }
    for (const { number } of this.model.tracks) this.durable.set(number, this.memory.throughUs(number));
    return lost;
  }

  private lostEntry(parcel: ParcelLine): EntryInit {
    const us = (ticks: number) => BigInt(Math.round((ticks * 1e6) / this.trackOf(parcel.track).timescale));
    const [fromUs, toUs] = [us(parcel.ticks), us(parcel.ticks + parcel.durationTicks)];
    const parts = [{ cause: GapCause.LOST_BYTES, fromUs, toUs }];
    const value = { track: parcel.track, fromUs, toUs, parts, lostParcels: [BigInt(parcel.sequence)] };
    return { takeUs: fromUs, utcMs: BigInt(this.options.clock.nowMs()), what: { case: "gap", value } };
  }

  /** After a restart of the machine take time goes on by civil time; never back. */
  private civilTakeUs(): number {
    const start = this.model.start;
    const byClockUs = this.options.clock.nowMs() * 1e3 - Number(start?.utcUs ?? 0n);
    return Math.round(Math.max(byClockUs, this.model.lengthUs));
  }
}
