import { defineModule } from "../../platform/module.ts";
import type { CasesService } from "../cases/cases.service.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./hearings.errors.ts";
import { hearingsRpc } from "./hearings.rpc.ts";
import { HearingsService } from "./hearings.service.ts";
import { HearingsStore, migrations } from "./hearings.store.ts";

/** What is heard where and when; .contest (and .contest.test): what no machine can decide. Tells `hearings.changed`. */
export const hearings = defineModule<{ sites: SitesService; cases: CasesService }, HearingsService>({
  name: "hearings",
  zh: "庭次",
  uses: ["sites", "cases"],
  migrations,
  start(platform, used) {
    const store = new HearingsStore(platform.database);
    const service = new HearingsService(platform, store, used);
    return {
      api: service,
      rpc: [hearingsRpc(service)],
      scopes: { hearing_id: { siteOf: async (id) => (await store.get(undefined, id))?.siteId, notFound: errors.notFound } },
    };
  },
});
