import type { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import { defineModule, type Module } from "../../platform/module.ts";
import { alarmsRpc } from "./alarms.rpc.ts";
import { AlarmsService } from "./alarms.service.ts";
import { AlarmsStore, migrations } from "./alarms.store.ts";

/** What is wrong now and needs a person, as ingest says it. */
export function alarms({ ingest }: { ingest: Client<typeof IngestService> }): Module<object, AlarmsService> {
  return defineModule<object, AlarmsService>({
    name: "alarms",
    zh: "告警",
    uses: [],
    migrations,
    start(platform) {
      const service = new AlarmsService(platform, new AlarmsStore(), ingest);
      return { api: service, rpc: [alarmsRpc(service)], begin: () => service.begin(), close: () => service.stop() };
    },
  });
}
