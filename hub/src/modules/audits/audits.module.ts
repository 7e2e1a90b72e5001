import { defineModule } from "../../platform/module.ts";
import { auditsRpc } from "./audits.rpc.ts";
import { AuditsService } from "./audits.service.ts";
import { AuditsStore, migrations } from "./audits.store.ts";

/** Reading what `platform/audit` wrote; nothing here or elsewhere changes a row. */
export const audits = defineModule<object, AuditsService>({
  name: "audits",
  zh: "审计",
  uses: [],
  migrations,
  start(platform) {
    const service = new AuditsService(new AuditsStore(platform.audit));
    return { api: service, rpc: [auditsRpc(service)] };
  },
});
