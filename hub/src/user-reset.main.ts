/**
 * A new password for a user of this machine's hub. Usage: node user-reset.main.ts <hub config.json> <login>. Prints one JSON object,
 * {"ok":true,"password"} or {"ok":false,"message"}, and exits 0 or 1. A running hub is asked, because it alone opens the database.
 */
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { askControl, resetUser } from "./control.ts";
import { sites } from "./modules/sites/sites.module.ts";
import { users } from "./modules/users/users.module.ts";
import type { UsersService } from "./modules/users/users.service.ts";
import { readPlaces } from "./places.ts";
import { buildHouse } from "./platform/platform.ts";

const [file = "", login = ""] = process.argv.slice(2);
const places = await readPlaces(file, process.env);
const answer = (await askControl(places.controlSocket, { act: "reset-user", login })) ?? (await resetHere());
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exitCode = answer.ok ? 0 : 1;

async function resetHere() {
  const log = createLog("user-reset", { level: "warn" });
  const house = await buildHouse({ databaseUrl: places.databaseUrl.reveal(), clock, log, modules: [sites, users] });
  try {
    return await resetUser(house.api<UsersService>("users"), login);
  } finally {
    await house.close();
  }
}
