import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { Op } from "sequelize";
import type { Database, Tx } from "../database/database.ts";
import type { Migration } from "../database/migrations.ts";
import { Table } from "../database/table.ts";

/** What became true, for modules that hear it: facts and ids as they were then, because history can't be asked later. */
export interface Told {
  /** `takes.ended` */
  what: string;
  objectId: string;
  siteId: string;
  /** When it became true, UTC ms, and when it was written down. */
  validAtMs: number;
  knownAtMs: number;
  facts: Readonly<Record<string, string>>;
}

/** At least once, so it must bear a repetition. What it throws is tried again. */
export type Hears = (told: Told) => Promise<void>;

const table = new Table("platform_jobs", ["id"], {
  id: "text",
  what: "text",
  module: "text",
  told: "text",
  run_at_ms: "whole",
  attempts: "whole",
  trouble: "text",
} as const);

export const tellMigrations: readonly Migration[] = [
  {
    name: "0001-jobs",
    ddl: `CREATE TABLE platform_jobs (id VARCHAR(36) NOT NULL PRIMARY KEY, what VARCHAR(60) NOT NULL, module VARCHAR(40) NOT NULL, told TEXT NOT NULL,
      run_at_ms BIGINT NOT NULL, attempts BIGINT NOT NULL, trouble TEXT NOT NULL)`,
  },
  { name: "0002-by-time", ddl: "CREATE INDEX platform_jobs_by_time ON platform_jobs (module, run_at_ms)" },
];

const POLL_MS = 1_000;
const BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 300_000;

/**
 * Tells and the jobs they become: written in the telling transaction, one for each module that hears it, run after the
 * commit, again after a crash. A job that fails waits longer each time, at most 5 minutes, and says why in its row.
 */
export class Tells {
  private readonly rows;
  private readonly clock: Clock;
  private readonly database: Database;
  private readonly log: Log;
  private readonly hearers = new Map<string, Map<string, Hears>>();
  private poll: Timer | undefined;
  /** Modules at work: each does its jobs one after another, none waits for another module's long one. */
  private readonly lanes = new Map<string, Promise<void>>();
  /** Modules for which there may be a job that their lane has not looked for yet. */
  private readonly wanted = new Set<string>();

  constructor(database: Database, clock: Clock, log: Log) {
    this.rows = table.in(database);
    this.database = database;
    this.clock = clock;
    this.log = log;
  }

  hear(module: string, hears: Readonly<Record<string, Hears>>): void {
    for (const [what, fn] of Object.entries(hears)) this.hearers.set(what, (this.hearers.get(what) ?? new Map()).set(module, fn));
  }

  async tell(tx: Tx, told: Omit<Told, "knownAtMs">): Promise<void> {
    const nowMs = this.clock.nowMs();
    const text = JSON.stringify({ ...told, knownAtMs: nowMs });
    const jobs = [...(this.hearers.get(told.what)?.keys() ?? [])].map((module) => ({
      id: newId(this.clock),
      what: told.what,
      module,
      told: text,
      run_at_ms: nowMs,
      attempts: 0,
      trouble: "",
    }));
    await this.rows.insertAll(tx, jobs);
    if (jobs.length > 0) tx.afterCommit(() => this.kick());
  }

  start(): void {
    this.poll = this.clock.every(POLL_MS, () => this.kick());
    this.kick();
  }

  async stop(): Promise<void> {
    this.poll?.cancel();
    this.poll = undefined;
    await this.idle();
  }

  /** Resolves when nothing that is due is left. */
  async idle(): Promise<void> {
    while (this.lanes.size > 0) await Promise.all(this.lanes.values());
  }

  private kick(): void {
    if (!this.poll) return;
    const modules = new Set([...this.hearers.values()].flatMap((byModule) => [...byModule.keys()]));
    for (const module of modules) {
      this.wanted.add(module);
      if (!this.lanes.has(module)) this.lanes.set(module, this.work(module));
    }
  }

  private async work(module: string): Promise<void> {
    try {
      // A job that is told while the lane finds none sets the wish again: it is not left for the next poll.
      while (this.poll && this.wanted.delete(module)) await this.drain(module);
    } catch (error) {
      this.log.error({ err: error, module }, "jobs can't be read or written");
    } finally {
      this.lanes.delete(module);
    }
  }

  private async drain(module: string): Promise<void> {
    while (this.poll) {
      const [job] = await this.rows.all(undefined, {
        where: { module, run_at_ms: { [Op.lte]: this.clock.nowMs() } },
        order: [
          ["run_at_ms", "ASC"],
          ["id", "ASC"],
        ],
        limit: 1,
      });
      if (!job) return;
      await this.run(job);
    }
  }

  private async run(job: { id: string; what: string; module: string; told: string; attempts: number }): Promise<void> {
    const hears = this.hearers.get(job.what)?.get(job.module);
    try {
      await hears?.(JSON.parse(job.told) as Told);
      await this.database.transaction((tx) => this.rows.remove(tx, { id: job.id }));
    } catch (error) {
      const attempts = job.attempts + 1;
      const waitMs = Math.min(BACK_OFF_MS * 2 ** Math.min(attempts, 12), LONGEST_BACK_OFF_MS);
      const trouble = error instanceof Error ? error.message.slice(0, 500) : "unknown";
      this.log.warn({ job: job.id, what: job.what, module: job.module, attempts, trouble }, "a job failed and is tried again");
      await this.database.transaction((tx) =>
        this.rows.update(tx, { id: job.id }, { attempts, trouble, run_at_ms: this.clock.nowMs() + waitMs }),
      );
    }
  }
}
