import type { Audit } from "../audit/audit.ts";
import type { Call, ObjectRef } from "../call.ts";
import type { Database, Tx } from "../database/database.ts";
import type { Rights } from "@xiezhi/rpc/access/rights.ts";
import type { Requests } from "./requests.ts";

/**
 * The only way to change data. One transaction holds the rights at the object's site, what `fn` writes and tells, the audit
 * row and the remembered request id; a refusal rolls back and leaves an audit row of its own.
 *
 * `fn` gives the method's answer, because a repeated request hears it again. Inside it nothing but the database is awaited.
 */
export type Change = <T extends object>(call: Call, object: ObjectRef, fn: (tx: Tx) => Promise<T>) => Promise<T>;

export function createChange(parts: { database: Database; rights: Rights; audit: Audit; requests: Requests }): Change {
  const { database, rights, audit, requests } = parts;
  return async <T extends object>(call: Call, object: ObjectRef, fn: (tx: Tx) => Promise<T>): Promise<T> => {
    try {
      return await database.transaction(async (tx) => {
        const before = await requests.find(tx, call);
        if (before) return before as unknown as T;
        if (call.method) rights.atSite(call.method, object.siteId, call.caller);
        const answer = await fn(tx);
        await audit.append(tx, call, object, "ok");
        await requests.remember(tx, call, answer);
        return answer;
      });
    } catch (error) {
      await audit.refusal(call, object, error);
      throw error;
    }
  };
}
