import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Implementation } from "@xiezhi/rpc/service.ts";
import type { Middleware } from "koa";
import type { Agents } from "./agents/agents.ts";
import type { Audit } from "./audit/audit.ts";
import type { Broker } from "./broker/broker.ts";
import type { Change } from "./change/change.ts";
import type { Database } from "./database/database.ts";
import type { Migration } from "./database/migrations.ts";
import type { Hints } from "./hints/hints.ts";
import type { Rights, Scopes } from "@xiezhi/rpc/access/rights.ts";
import type { Sessions } from "./sessions/sessions.ts";
import type { Hears, Tells } from "./tells/tells.ts";

/** What every module stands on. It knows no noun of the court. */
export interface Platform {
  clock: Clock;
  log: Log;
  database: Database;
  change: Change;
  audit: Audit;
  rights: Rights;
  sessions: Sessions;
  tells: Tells;
  hints: Hints;
  agents: Agents;
  broker: Broker;
}

/** A module at work. */
export interface Running<Api> {
  /** What modules that use this one may call, in their own transaction where they hand it over. */
  api: Api;
  rpc: readonly Implementation[];
  /** Where this noun's objects stand, by the field that names them in requests. */
  scopes?: Scopes;
  hears?: Readonly<Record<string, Hears>>;
  /** Bytes rather than messages. */
  http?: Middleware;
  /** Begins what runs by itself, once every module is there. */
  begin?(): Promise<void> | void;
  close?(): Promise<void> | void;
}

/** One noun of the court, owned by one folder. `Used` are the modules above it in the composition that it may call. */
export interface Module<Used extends object, Api> {
  name: string;
  zh: string;
  uses: readonly (keyof Used & string)[];
  migrations: readonly Migration[];
  start(platform: Platform, used: Used): Promise<Running<Api>> | Running<Api>;
}

export function defineModule<Used extends object, Api>(module: Module<Used, Api>): Module<Used, Api> {
  return module;
}
