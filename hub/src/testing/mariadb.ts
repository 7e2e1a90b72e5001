import { execFile, spawn } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import { until } from "./room.ts";

const run = promisify(execFile);

/** A MariaDB of its own, below a temporary folder, reached by its socket only; gone with the test. Fails where none is installed. */
export async function startMariaDb(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xz-maria-"));
  const socket = join(folder, "socket");
  const data = join(folder, "data");
  const user = `--user=${userInfo().username}`;
  await run("mariadb-install-db", [
    "--no-defaults",
    `--datadir=${data}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    user,
  ]);
  const server = spawn(
    "/usr/sbin/mariadbd",
    [
      "--no-defaults",
      user,
      `--datadir=${data}`,
      `--socket=${socket}`,
      "--skip-networking",
      "--innodb-buffer-pool-size=32M",
      "--innodb-flush-log-at-trx-commit=0",
    ],
    { stdio: "ignore" },
  );
  const ended = new Promise((resolve) => server.once("exit", resolve));
  t.after(async () => {
    server.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  await until(async () => {
    if (server.exitCode !== null) throw new Error(`mariadbd ended with ${server.exitCode}`);
    return access(socket).then(
      () => true,
      () => false,
    );
  });
  const connection = await createConnection({ socketPath: socket, user: "root" });
  await connection.query("CREATE DATABASE hub CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
  await connection.end();
  return `mysql://root:@localhost/hub?socketPath=${encodeURIComponent(socket)}`;
}
