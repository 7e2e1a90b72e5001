import { Umzug } from "umzug";
import type { Database } from "./database.ts";
import { Table } from "./table.ts";

/**
 * One DDL statement, applied once, never edited afterwards. A string is portable SQL; where the databases have no common
 * word for it there is one text for each.
 */
export interface Migration {
  /** Ordered and unique within the module: `0001-cases`. */
  name: string;
  ddl: string | { sqlite: string; mysql: string };
}

const applied = new Table("platform_migrations", ["name"], { name: "text" });
const TABLE = "CREATE TABLE IF NOT EXISTS platform_migrations (name VARCHAR(150) NOT NULL PRIMARY KEY)";

/** Brings every module's tables to the present form; `migrations` by module in the order of the composition. */
export async function migrate(
  database: Database,
  migrations: readonly { module: string; migrations: readonly Migration[] }[],
): Promise<void> {
  await database.sequelize.query(statement(database, TABLE));
  const rows = applied.in(database);
  const umzug = new Umzug({
    migrations: migrations.flatMap(({ module, migrations: list }) =>
      list.map(({ name, ddl }) => ({
        name: `${module}/${name}`,
        up: async () => {
          await database.sequelize.query(statement(database, ddl));
        },
      })),
    ),
    storage: {
      logMigration: ({ name }) => database.transaction((tx) => rows.insert(tx, { name })),
      unlogMigration: () => Promise.reject(new Error("migrations only go forward")),
      executed: async () => (await rows.all(undefined)).map(({ name }) => name),
    },
    logger: undefined,
  });
  await umzug.up();
}

/** Both databases compare text byte by byte. */
function statement(database: Database, ddl: Migration["ddl"]): string {
  const sql = typeof ddl === "string" ? ddl : ddl[database.dialect];
  const binary = database.dialect === "mysql" && sql.startsWith("CREATE TABLE");
  return binary ? `${sql} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin` : sql;
}
