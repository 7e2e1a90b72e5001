import { execFile, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { access, mkdtemp } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import { until } from "./room.ts";

const run = promisify(execFile);

/** The socket of a MariaDB that with-mariadb.ts has started for this process; else each process starts its own. */
export const MARIADB_SOCKET = "XIEZHI_TEST_MARIADB_SOCKET";

let server: Promise<string> | undefined;
let databases = 0;

/** The URL of a new database. Fails where no MariaDB is installed. */
export async function newMariaDb(): Promise<string> {
  const socket = process.env[MARIADB_SOCKET] ?? (await (server ??= startServer()));
  databases += 1;
  const name = `hub_${process.pid}_${databases}`;
  const connection = await createConnection({ socketPath: socket, user: "root" });
  await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
  await connection.end();
  return `mysql://root:@localhost/${name}?socketPath=${encodeURIComponent(socket)}`;
}

/** Below a temporary folder, reached by its socket only, gone with this process. Gives its socket. */
export async function startServer(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xz-maria-"));
  const socket = join(folder, "socket");
  const own = ["--no-defaults", `--user=${userInfo().username}`, `--datadir=${join(folder, "data")}`];
  await run("mariadb-install-db", [...own, "--auth-root-authentication-method=normal", "--skip-test-db"]);
  // A power cut may have it all: nothing waits for the disk.
  const quick = ["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--debug-no-sync"];
  const child = spawn("/usr/sbin/mariadbd", [...own, `--socket=${socket}`, "--skip-networking", ...quick], { stdio: "ignore" });
  child.unref();
  process.once("exit", () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`mariadbd ended with ${child.exitCode}`);
    return access(socket).then(
      () => true,
      () => false,
    );
  });
  return socket;
}
