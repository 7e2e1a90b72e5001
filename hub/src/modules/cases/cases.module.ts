import { defineModule } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./cases.errors.ts";
import { casesRpc } from "./cases.rpc.ts";
import { CasesService } from "./cases.service.ts";
import { CasesStore, migrations } from "./cases.store.ts";

/** Cases with their numbers, parties, cause and procedure. */
export const cases = defineModule<{ sites: SitesService }, CasesService>({
  name: "cases",
  zh: "案件",
  uses: ["sites"],
  migrations,
  start(platform, { sites }) {
    const store = new CasesStore(platform.database);
    const service = new CasesService(platform, store, sites);
    return {
      api: service,
      rpc: [casesRpc(service)],
      scopes: { case_id: { siteOf: async (id) => (await store.get(undefined, id))?.siteId, notFound: errors.notFound } },
    };
  },
});
