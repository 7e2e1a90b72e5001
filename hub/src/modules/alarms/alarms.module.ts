import type { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import { defineModule, type Module } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import { alarmsRpc } from "./alarms.rpc.ts";
import { AlarmsService } from "./alarms.service.ts";
import { AlarmsStore, migrations } from "./alarms.store.ts";

/** What is wrong now and needs a person, as ingest and hearings say it. */
export function alarms({ ingest }: { ingest: Client<typeof IngestService> }): Module<{ hearings: HearingsService }, AlarmsService> {
  return defineModule<{ hearings: HearingsService }, AlarmsService>({
    name: "alarms",
    zh: "告警",
    uses: ["hearings"],
    migrations,
    start(platform, { hearings }) {
      const service = new AlarmsService(platform, new AlarmsStore(), { ingest, hearings });
      return { api: service, rpc: [alarmsRpc(service)], begin: () => service.begin(), close: () => service.stop() };
    },
  });
}
