import { defineModule } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { RoomsHeard } from "./devices.heard.ts";
import { devicesRpc } from "./devices.rpc.ts";
import { DevicesService } from "./devices.service.ts";
import { DevicesStore, migrations } from "./devices.store.ts";

/** Last proven state of what stands in the rooms, as their bridges say it (devices.heard), its history, and commands. */
export const devices = defineModule<{ sites: SitesService }, DevicesService>({
  name: "devices",
  zh: "设备",
  uses: ["sites"],
  migrations,
  start(platform, { sites }) {
    const store = new DevicesStore(platform.database);
    const service = new DevicesService(platform, store, sites, new RoomsHeard(platform, store, sites));
    return { api: service, rpc: [devicesRpc(service)] };
  },
});
