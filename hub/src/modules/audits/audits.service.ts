import type { AuditFilter, AuditRow } from "../../platform/audit/audit.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import { errors } from "./audits.errors.ts";
import type { AuditsStore } from "./audits.store.ts";

export class AuditsService {
  private readonly store: AuditsStore;

  constructor(store: AuditsStore) {
    this.store = store;
  }

  /** Newest first: rows of these sites, and those that belong to no site, such as failed log-ins. */
  async list(
    siteIds: readonly string[],
    request: PageRequest & Required<Pick<AuditFilter, "userId" | "login" | "act" | "refused" | "fromMs" | "toMs">>,
  ): Promise<{ rows: AuditRow[]; nextPageToken: string }> {
    const page = pageOf(request);
    const before = page.after === undefined ? Number.MAX_SAFE_INTEGER : Number(page.after);
    if (!Number.isSafeInteger(before)) throw errors.token();
    const rows = await this.store.list({ ...request, siteIds, before, limit: page.size + 1 });
    return paged(page, rows, ({ number }) => String(number));
  }
}
