import { defineModule } from "../../platform/module.ts";
import { errors } from "./sites.errors.ts";
import { sitesRpc } from "./sites.rpc.ts";
import { SitesService } from "./sites.service.ts";
import { migrations, SitesStore } from "./sites.store.ts";

/** Courts and detention centres, their rooms, and the seats in a room. */
export const sites = defineModule<object, SitesService>({
  name: "sites",
  zh: "法院与法庭",
  uses: [],
  migrations,
  start(platform) {
    const service = new SitesService(platform, new SitesStore(platform.database));
    return {
      api: service,
      rpc: [sitesRpc(service)],
      scopes: {
        site_id: { siteOf: async (id) => (await service.site(undefined, id))?.id, notFound: errors.noSite },
        room_id: { siteOf: async (id) => (await service.room(undefined, id))?.siteId, notFound: errors.noRoom },
      },
    };
  },
});
