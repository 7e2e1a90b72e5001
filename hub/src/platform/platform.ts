import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Implementation } from "@xiezhi/rpc/service.ts";
import type { Middleware } from "koa";
import { Agents } from "./agents/agents.ts";
import { Audit, auditMigrations } from "./audit/audit.ts";
import { Broker } from "./broker/broker.ts";
import { createChange } from "./change/change.ts";
import { requestMigrations, Requests } from "./change/requests.ts";
import { Database } from "./database/database.ts";
import { type Migration, migrate } from "./database/migrations.ts";
import { Hints } from "./hints/hints.ts";
import type { Module, Platform, Running } from "./module.ts";
import { Rights } from "@xiezhi/rpc/access/rights.ts";
import { sessionMigrations, Sessions } from "./sessions/sessions.ts";
import { tellMigrations, Tells } from "./tells/tells.ts";

const HOUR_MS = 3_600_000;

/** A module with its own types forgotten; the composition checks by name that what it uses stands above it. */
export type AnyModule = Pick<Module<never, unknown>, "name" | "zh" | "uses" | "migrations"> & {
  start(platform: Platform, used: never): Promise<Running<unknown>> | Running<unknown>;
};

/** The platform with the modules that run on it. */
export interface House {
  platform: Platform;
  rpc: readonly Implementation[];
  http: readonly Middleware[];
  api<Api>(name: string): Api;
  close(): Promise<void>;
}

const platformMigrations: readonly { module: string; migrations: readonly Migration[] }[] = [
  { module: "platform-requests", migrations: requestMigrations },
  { module: "platform-jobs", migrations: tellMigrations },
  { module: "platform-audit", migrations: auditMigrations },
  { module: "platform-sessions", migrations: sessionMigrations },
];

/** Opens the database, brings it to the present form and starts the modules in their order; each may use those above it. */
export async function buildHouse(options: { databaseUrl: string; clock: Clock; log: Log; modules: readonly AnyModule[] }): Promise<House> {
  const { clock, log, modules } = options;
  const database = await Database.open(options.databaseUrl);
  await migrate(database, [...platformMigrations, ...modules.map(({ name, migrations }) => ({ module: name, migrations }))]);
  const requests = new Requests(database, clock);
  const rights = new Rights();
  const audit = new Audit(database, clock);
  const platform: Platform = {
    clock,
    log,
    database,
    rights,
    audit,
    change: createChange({ database, rights, audit, requests }),
    sessions: new Sessions(database, clock),
    tells: new Tells(database, clock, log),
    hints: new Hints(),
    agents: new Agents(clock, log),
    broker: new Broker(clock, log.child({ part: "broker" })),
  };
  await platform.sessions.start();
  const running = await startModules(platform, modules);
  platform.tells.start();
  const forgetting = clock.every(HOUR_MS, () => {
    database.transaction((tx) => requests.forgetOld(tx)).catch((error: unknown) => log.error({ err: error }, "old requests stay"));
  });
  const all = [...running.values()];
  return {
    platform,
    rpc: all.flatMap(({ rpc }) => rpc),
    http: all.flatMap(({ http }) => (http ? [http] : [])),
    api: <Api>(name: string) => running.get(name)?.api as Api,
    async close() {
      forgetting.cancel();
      platform.sessions.stop();
      await platform.agents.close();
      await platform.broker.close();
      for (const module of all.reverse()) await module.close?.();
      await platform.tells.stop();
      await database.close();
    },
  };
}

async function startModules(platform: Platform, modules: readonly AnyModule[]): Promise<Map<string, Running<unknown>>> {
  const running = new Map<string, Running<unknown>>();
  for (const module of modules) {
    const used: Record<string, unknown> = {};
    for (const name of module.uses) {
      const other = running.get(name);
      if (!other) throw new Error(`${module.name} uses ${name}, which does not stand above it`);
      used[name] = other.api;
    }
    const started = await module.start(platform, used as never);
    running.set(module.name, started);
    platform.rights.add(started.scopes ?? {});
    platform.tells.hear(module.name, started.hears ?? {});
  }
  for (const { begin } of running.values()) await begin?.();
  return running;
}
