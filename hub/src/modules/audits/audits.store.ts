import type { Audit, AuditFilter, AuditRow } from "../../platform/audit/audit.ts";
import type { Migration } from "../../platform/database/migrations.ts";

/** The table belongs to the platform, because every change of every module writes it. */
export const migrations: readonly Migration[] = [];

export class AuditsStore {
  private readonly audit: Audit;

  constructor(audit: Audit) {
    this.audit = audit;
  }

  list(filter: AuditFilter): Promise<AuditRow[]> {
    return this.audit.list(undefined, filter);
  }
}
