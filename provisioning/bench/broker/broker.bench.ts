/**
 * P6, P7, P7b: the hub's broker, each packet past its door (certificate, topic), in turn with mosquitto with the same certificates
 * and an acl_file: messages a core-second, memory of an idle connection, how long 2,000 take to come, how long a command takes.
 * With --control our broker is interpreted, not compiled (`--jitless`), and only what that makes worse is said.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { alone, compared, type Figure, median, PEER_MISSING, print } from "../figure.ts";
import { foreignLoad, inFolder } from "../machine.ts";
import { control, long, pairsOr, secondsOr } from "../options.ts";
import { isInstalled, LOAD_CORE, startProgram } from "../program.ts";
import { type Certificates, certificatesIn, type MeasuredBroker, startMosquitto, startOurs } from "./brokers.ts";
import type { Load } from "./clients.main.ts";

const CLIENTS = fileURLToPath(new URL("clients.main.ts", import.meta.url));
const DEVICES = 100;
const MESSAGE_BYTES = 256;
const COMMANDS = 2_000;
const WARM_MS = 1_000;
const connections = long ? 10_000 : 2_000;
const pairs = pairsOr({ short: 1, long: 5 });
const seconds = secondsOr({ short: 5, long: 20 });

interface Cost {
  perCoreSecond: number;
  kilobytes: number;
  comingMs: number;
  commandMs: number;
}

/** What the clients say, and what `measure` says of the broker when they have said it. */
async function under<Said, Measured>(
  broker: MeasuredBroker,
  certificates: Certificates,
  what: Load["what"],
  measure: (said: Said, stop: () => Promise<unknown>) => Promise<Measured>,
): Promise<Measured> {
  const load: Load = { port: broker.port, ...certificates, what };
  const clients = startProgram(LOAD_CORE, [CLIENTS, JSON.stringify(load)]);
  try {
    return await measure(await clients.says<Said>(), () => clients.stop());
  } finally {
    clients.kill();
  }
}

async function costOf(start: () => Promise<MeasuredBroker>, certificates: Certificates): Promise<Cost> {
  const each = async <T>(act: (broker: MeasuredBroker) => Promise<T>) => {
    const broker = await start();
    try {
      return await act(broker);
    } finally {
      await broker.end();
    }
  };
  const perCoreSecond = await each((broker) =>
    under(broker, certificates, { kind: "stream", devices: DEVICES, bytes: MESSAGE_BYTES }, async (_, stop) => {
      const before = broker.cpuUs();
      await clock.sleep(seconds * 1e3);
      const usedUs = broker.cpuUs() - before;
      return (Number(await stop()) / usedUs) * 1e6;
    }),
  );
  const commandMs = await each((broker) =>
    under(broker, certificates, { kind: "command", count: COMMANDS }, (ms: number[]) => Promise.resolve(median(ms))),
  );
  const [kilobytes, comingMs] = await each(async (broker) => {
    await clock.sleep(WARM_MS);
    const before = broker.bytes();
    return under(broker, certificates, { kind: "idle", connections }, async (ms: number) => {
      await clock.sleep(WARM_MS);
      return [(broker.bytes() - before) / 1e3 / connections, ms] as const;
    });
  });
  return { perCoreSecond, commandMs, kilobytes, comingMs };
}

const note = `others used ${Math.round((await foreignLoad(clock)) * 100)} % of the machine before this`;
const installed = isInstalled("mosquitto") || isInstalled("../sbin/mosquitto");
await inFolder(async (folder) => {
  const certificates = await certificatesIn(folder);
  const runs: { ours: Cost; peer: Cost | undefined }[] = [];
  for (let pair = 0; pair < pairs; pair++)
    runs.push({
      ours: await costOf(() => startOurs(join(folder, "ours"), certificates, control ? ["--jitless"] : []), certificates),
      peer: installed ? await costOf(() => startMosquitto(join(folder, "mosquitto"), certificates), certificates) : undefined,
    });
  const say = (name: string, unit: string, of: (cost: Cost) => number, bar: NonNullable<Figure["bar"]>) => {
    const both = runs.flatMap(({ ours, peer }) => (peer ? [{ ours: of(ours), peer: of(peer) }] : []));
    const figures =
      both.length > 0
        ? compared(both)
        : alone(
            runs.map(({ ours }) => of(ours)),
            PEER_MISSING,
          );
    print({ name, unit, ...figures, bar, note });
  };
  say("P6 QoS 1 messages a core-second, 100 devices, 256 bytes", "messages", (cost) => cost.perCoreSecond, { atLeast: 0.8 });
  say("P7b command through the broker, one under way, p50", "ms", (cost) => cost.commandMs, { atMost: 3 });
  if (control) return;
  say(`P7 memory of an idle connection, ${connections} of them`, "kB", (cost) => cost.kilobytes, { atMost: 6 });
  say(`P7 time in which ${connections} connections have come`, "ms", (cost) => cost.comingMs, { atMost: 3 });
});
