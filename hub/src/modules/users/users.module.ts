import { defineModule } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./users.errors.ts";
import { usersRpc } from "./users.rpc.ts";
import { UsersService } from "./users.service.ts";
import { migrations, UsersStore } from "./users.store.ts";

/** People who may sign in, their roles at sites, and how they sign in. */
export const users = defineModule<{ sites: SitesService }, UsersService>({
  name: "users",
  zh: "用户",
  uses: ["sites"],
  migrations,
  async start(platform, { sites }) {
    const service = new UsersService(platform, new UsersStore(platform.database), sites);
    await service.load();
    return {
      api: service,
      rpc: [usersRpc(service)],
      scopes: { user_id: { siteOf: async (id) => service.homeSiteOf(id), notFound: errors.notFound } },
    };
  },
});
