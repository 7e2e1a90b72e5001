/** Runs the modules' tests on MariaDB instead of SQLite: `node with-mariadb.ts COMMAND …`, ends as the command does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { MARIADB_SOCKET, startServer } from "./mariadb.ts";

const [command = "", ...words] = process.argv.slice(2);
const socket = await startServer();
const child = spawn(command, words, { stdio: "inherit", env: { ...process.env, [MARIADB_SOCKET]: socket } });
const [code] = await once(child, "exit");
process.exit(code ?? 1);
