import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createLog } from "@xiezhi/base/log.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { demoRooms, demoUsers } from "../demo/court.ts";
import { homeFolder } from "../demo/home.ts";
import { claimHome } from "../demo/running.ts";
import { RunningCourt } from "../demo/running-court.ts";

/** Runs the demo court until Ctrl-C, and says how to get in. */
export async function startDemo(): Promise<void> {
  const home = homeFolder();
  await mkdir(join(home, "logs"), { recursive: true, mode: 0o700 });
  const log = createLog("demo", { file: join(home, "logs", "demo.log") });
  const shutdown = new Shutdown(log);
  shutdown.onSignals();
  const claim = await claimHome(home);
  shutdown.add("claim", () => void claim.close());
  process.stderr.write("starting the demo court …\n");
  const { signal } = shutdown;
  const starting = RunningCourt.start({ home, clips: join(home, "clips"), rooms: demoRooms, log, ownGroups: true, signal });
  // Ctrl-C before it is whole: there is nothing left to close then, and nothing to say.
  const whole = starting.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  shutdown.add("court", async () => {
    process.stderr.write("\nending every process of the demo …\n");
    await (await whole)?.close();
  });
  const court = await whole;
  if (court === undefined) return;
  const lines = demoUsers.map(({ login, name, roles }) => {
    const role = roles[0]?.role.toLowerCase().replaceAll("_", " ");
    return `  ${login.padEnd(12)} ${court.logins[login]}   ${court.pins[login]}   ${name} (${role})`;
  });
  const brokers = [...court.brokers].map(
    ([room, { port, password }]) => `  ${room.padEnd(16)} mqtt://127.0.0.1:${port}   technician ${password}`,
  );
  const rooms = [...court.roomUrls].map(([room, url]) => `  ${room.padEnd(16)} ${url}`);
  process.stdout.write(
    `\n獬豸 Xiezhi demo court\n\n  ${court.portalUrl}   (plain HTTP, this machine only)\n\nlogins of the demo, each with password and PIN, random, made at its first start:\n${lines.join("\n")}\n\neach room's own address, by PIN, also without the hub:\n${rooms.join("\n")}\n\neach room's MQTT broker, for MQTT Explorer or Node-RED:\n${brokers.join("\n")}\n\nstate and logs: ${home}\nCtrl-C ends all of it.\n`,
  );
}
