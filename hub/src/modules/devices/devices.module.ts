import { defineModule } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { devicesRpc } from "./devices.rpc.ts";
import { DevicesService } from "./devices.service.ts";
import { DevicesStore, migrations } from "./devices.store.ts";

/** Last proven state of what stands in the rooms, and its history. */
export const devices = defineModule<{ sites: SitesService }, DevicesService>({
  name: "devices",
  zh: "设备",
  uses: ["sites"],
  migrations,
  start(platform, { sites }) {
    const service = new DevicesService(platform, new DevicesStore(platform.database), sites, platform.agents);
    return { api: service, rpc: [devicesRpc(service)] };
  },
});
