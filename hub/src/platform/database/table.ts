import { DataTypes, type Model, type ModelStatic, Op, type Order, Sequelize, type WhereOptions } from "sequelize";
import type { Database, Tx, View } from "./database.ts";

/** The kinds of column that mean the same in SQLite and in MySQL. Days are CHAR(10), instants BIGINT milliseconds UTC. */
const kinds = {
  text: DataTypes.TEXT,
  /** Whole numbers to 2^53: instants, counts, take times. */
  whole: DataTypes.BIGINT,
  flag: DataTypes.BOOLEAN,
  bytes: DataTypes.BLOB,
} as const;
type Kind = keyof typeof kinds;
type ValueOf<K extends Kind> = { text: string; whole: number; flag: boolean; bytes: Uint8Array }[K];
type Columns = Record<string, Kind>;

export type RowOf<C extends Columns> = { [K in keyof C]: ValueOf<C[K]> };
export type Where<C extends Columns> = WhereOptions<RowOf<C>>;

export interface Selection<C extends Columns> {
  where?: Where<C>;
  order?: Order;
  limit?: number;
}

/** A module's table: its columns by kind, and the few statements that both databases understand. Columns are never null. */
export class Table<C extends Columns> {
  readonly name: string;
  private readonly columns: C;
  private readonly key: readonly (keyof C & string)[];

  constructor(name: string, key: readonly (keyof C & string)[], columns: C) {
    this.name = name;
    this.key = key;
    this.columns = columns;
  }

  in(database: Database): BoundTable<C> {
    const attributes = Object.fromEntries(
      Object.entries(this.columns).map(([name, kind]) => [
        name,
        { type: kinds[kind], allowNull: false, primaryKey: this.key.includes(name) },
      ]),
    );
    const model = database.sequelize.define(this.name, attributes, { timestamps: false, freezeTableName: true });
    return new BoundTable(this.columns, model);
  }
}

export class BoundTable<C extends Columns> {
  private readonly columns: C;
  private readonly model: ModelStatic<Model<RowOf<C>, RowOf<C>>>;

  constructor(columns: C, model: ModelStatic<Model<RowOf<C>, RowOf<C>>>) {
    this.columns = columns;
    this.model = model;
  }

  async insert(tx: Tx, row: RowOf<C>): Promise<void> {
    await this.insertAll(tx, [row]);
  }

  async insertAll(tx: Tx, rows: readonly RowOf<C>[]): Promise<void> {
    if (rows.length > 0) await this.model.bulkCreate(rows.map(stored) as never, { transaction: tx.sql, validate: false, returning: false });
  }

  async all(view: View, selection: Selection<C> = {}): Promise<RowOf<C>[]> {
    return this.select(view, selection, false);
  }

  async one(view: View, where: Where<C>): Promise<RowOf<C> | undefined> {
    return (await this.select(view, { where, limit: 1 }, false))[0];
  }

  /** As `one`, and on MySQL nobody else may read it so until the transaction ends: the row that guards a rule. */
  async lock(tx: Tx, where: Where<C>): Promise<RowOf<C> | undefined> {
    return (await this.select(tx, { where, limit: 1 }, true))[0];
  }

  async update(tx: Tx, where: Where<C>, values: Partial<RowOf<C>>): Promise<number> {
    const [changed] = await this.model.update(stored(values) as never, { where: where, transaction: tx.sql });
    return changed;
  }

  async remove(tx: Tx, where: Where<C>): Promise<number> {
    return this.model.destroy({ where: where as never, transaction: tx.sql });
  }

  async count(view: View, where: Where<C>): Promise<number> {
    return this.model.count({ where: where as never, transaction: view?.sql ?? null });
  }

  async max(view: View, column: keyof C & string, where: Where<C>): Promise<number> {
    return Number((await this.model.max(column, { where: where as never, transaction: view?.sql ?? null })) ?? 0);
  }

  /** Some columns of every row, where the others are long. */
  async some<K extends keyof C & string>(view: View, names: readonly K[]): Promise<Pick<RowOf<C>, K>[]> {
    const rows = await this.model.findAll({ attributes: [...names], raw: true, transaction: view?.sql ?? null });
    return rows.map((row) => this.typed(row as unknown as Record<string, unknown>));
  }

  private async select(view: View, { where, order, limit }: Selection<C>, lock: boolean): Promise<RowOf<C>[]> {
    const rows = await this.model.findAll({
      ...(where === undefined ? {} : { where: where as never }),
      ...(order === undefined ? {} : { order }),
      ...(limit === undefined ? {} : { limit }),
      raw: true,
      transaction: view?.sql ?? null,
      ...(lock && view ? { lock: view.sql.LOCK.UPDATE } : {}),
    });
    return rows.map((row) => this.typed(row as unknown as Record<string, unknown>));
  }

  /** Drivers disagree: BIGINT comes as number or string, BOOLEAN as 0/1. */
  private typed(row: Record<string, unknown>): RowOf<C> {
    const typed: Record<string, unknown> = {};
    for (const [name, kind] of Object.entries(this.columns)) {
      const value = row[name];
      typed[name] = kind === "whole" ? Number(value) : kind === "flag" ? Boolean(value) : value;
    }
    return typed as RowOf<C>;
  }
}

function stored<T extends object>(row: T): T {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, value instanceof Uint8Array ? Buffer.from(value) : value]),
  ) as T;
}

/** `column` contains `part`, compared as stored; no character of `part` is special. */
export function contains<C extends Columns>(column: keyof C & string, part: string): Where<C> {
  return Sequelize.where(Sequelize.fn("instr", Sequelize.col(column), part), Op.gt, 0);
}
