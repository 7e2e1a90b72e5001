import sqlite3 from "@appthreat/sqlite3";
import { type Options, QueryTypes, Sequelize, Transaction } from "sequelize";

/** One transaction, handed from `change` to every store it calls. */
export class Tx {
  readonly sql: Transaction;
  private readonly committed: (() => void)[] = [];

  constructor(sql: Transaction) {
    this.sql = sql;
  }

  /** Runs once the transaction is durable, never when it is rolled back: hints to open pages, kicks to workers. */
  afterCommit(fn: () => void): void {
    this.committed.push(fn);
  }

  settle(): void {
    for (const fn of this.committed) fn();
  }
}

/** What a store reads with: a transaction's view, or undefined for the last committed state. */
export type View = Tx | undefined;

/** Deadlock and lock wait: the server asks for a repetition. */
const REPEATABLE = new Set([1213, 1205]);
const ATTEMPTS = 5;
const DUPLICATE_ENTRY = 1062;

/**
 * The one database of the hub, opened by its main process only.
 *
 * SQLite: all writers stand in one queue and begin IMMEDIATE, because concurrent ones either fail with SQLITE_BUSY or hold
 * every thread that the holder's COMMIT needs. MySQL: READ COMMITTED, a store locks the row that guards its rule, and a
 * deadlock is repeated. Nothing but the database is awaited inside a transaction.
 */
export class Database {
  readonly sequelize: Sequelize;
  readonly dialect: "sqlite" | "mysql";
  private writers: Promise<unknown> = Promise.resolve();

  private constructor(sequelize: Sequelize, dialect: "sqlite" | "mysql") {
    this.sequelize = sequelize;
    this.dialect = dialect;
  }

  /** `sqlite:<path>` or `mysql://user:password@host:port/name` (MariaDB, Galera, TiDB too; `?socketPath=` for a local socket). */
  static async open(url: string): Promise<Database> {
    const dialect = url.startsWith("sqlite:") ? "sqlite" : "mysql";
    const sequelize = new Sequelize(dialect === "sqlite" ? sqliteOptions(url.slice("sqlite:".length)) : mysqlOptions(url));
    const database = new Database(sequelize, dialect);
    try {
      await (dialect === "sqlite" ? database.assertSqlite() : sequelize.authenticate());
      return database;
    } catch (error) {
      await sequelize.close();
      throw error;
    }
  }

  /** Everything in `fn` is durable when this resolves, or nothing of it happened. */
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.dialect === "mysql") return this.attempt(fn, ATTEMPTS);
    const turn = this.writers.then(() => this.attempt(fn, 1));
    this.writers = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.writers;
    await this.sequelize.close();
  }

  private async attempt<T>(fn: (tx: Tx) => Promise<T>, attempts: number): Promise<T> {
    try {
      const { tx, value } = await this.begin(fn);
      tx.settle();
      return value;
    } catch (error) {
      if (attempts > 1 && REPEATABLE.has(errnoOf(error))) return this.attempt(fn, attempts - 1);
      throw error;
    }
  }

  private begin<T>(fn: (tx: Tx) => Promise<T>): Promise<{ tx: Tx; value: T }> {
    const options =
      this.dialect === "sqlite" ? { type: Transaction.TYPES.IMMEDIATE } : { isolationLevel: Transaction.ISOLATION_LEVELS.READ_COMMITTED };
    return this.sequelize.transaction(options, async (sql) => {
      const tx = new Tx(sql);
      return { tx, value: await fn(tx) };
    });
  }

  /** An acknowledged change survives a power cut only with a full sync at commit; old libraries can lose one at a WAL reset. */
  private async assertSqlite(): Promise<void> {
    const { version } = await this.pragma<{ version: string }>("SELECT sqlite_version() AS version");
    if (hasWalResetRace(version)) throw new Error(`SQLite ${version} may lose a commit when its WAL is reset; 3.51.3 or later is needed`);
    await this.pragma("PRAGMA journal_mode=WAL");
    await this.transaction(async (tx) => {
      const { journal_mode: journal } = await this.pragma<{ journal_mode: string }>("PRAGMA journal_mode", tx);
      const { synchronous } = await this.pragma<{ synchronous: number }>("PRAGMA synchronous", tx);
      if (journal !== "wal" || synchronous !== 2)
        throw new Error(`SQLite has journal_mode=${journal}, synchronous=${synchronous}; wal and 2 (FULL) are needed`);
    });
  }

  private async pragma<T extends object>(sql: string, tx?: Tx): Promise<T> {
    const rows = await this.sequelize.query<T>(sql, { type: QueryTypes.SELECT, transaction: tx?.sql ?? null });
    const row = rows[0];
    if (!row) throw new Error(`no answer to ${sql}`);
    return row;
  }
}

/** 3.7.0 to 3.51.2 (sqlite.org, WAL-reset bug, fixed in 3.51.3). */
export function hasWalResetRace(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major * 1e6 + minor * 1e3 + patch < 3_051_003;
}

/** A unique key refused the row. Sequelize calls every refusal of SQLite so, a trigger's too: the engine's own word counts. */
export function isDuplicate(error: unknown): boolean {
  const { parent } = error as { parent?: { errno?: number; message?: string } };
  return parent?.errno === DUPLICATE_ENTRY || (parent?.message ?? "").includes("UNIQUE constraint failed");
}

function sqliteOptions(storage: string): Options {
  return { dialect: "sqlite", dialectModule: sqlite3, storage, logging: false };
}

function mysqlOptions(url: string): Options {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const socketPath = searchParams.get("socketPath");
  return {
    dialect: "mysql",
    host: hostname,
    port: Number(port || 3306),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
    logging: false,
    pool: { max: 8, acquire: 20_000 },
    define: { charset: "utf8mb4", collate: "utf8mb4_bin" },
    dialectOptions: { charset: "utf8mb4", ...(socketPath === null ? {} : { socketPath }) },
  };
}

function errnoOf(error: unknown): number {
  const parent = (error as { parent?: { errno?: number } } | undefined)?.parent;
  return parent?.errno ?? 0;
}
