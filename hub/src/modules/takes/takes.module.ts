import type { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import { defineModule, type Module } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import { ReadingCopies } from "./takes.copies.ts";
import { errors } from "./takes.errors.ts";
import { TakesHttp } from "./takes.http.ts";
import { StoredMedia } from "./takes.media.ts";
import { Projector } from "./takes.projector.ts";
import { takesRpc } from "./takes.rpc.ts";
import { TakesService } from "./takes.service.ts";
import { migrations, TakesStore } from "./takes.store.ts";

export interface TakesOptions {
  ingest: Client<typeof IngestService>;
  /** Folders of STORE_URL and BACKUP_URL, in the order in which they are asked. */
  stores: readonly string[];
  /** Where reading copies lie. */
  derivedFolder: string;
}

/**
 * Takes, projected from their ledgers: .projection says what an entry means, .projector follows ingest, .media reads the stores,
 * .copies makes reading copies. Tells `takes.whole`.
 */
export function takes({ ingest, stores, derivedFolder }: TakesOptions): Module<{ hearings: HearingsService }, TakesService> {
  return defineModule<{ hearings: HearingsService }, TakesService>({
    name: "takes",
    zh: "录制",
    uses: ["hearings"],
    migrations,
    start(platform, { hearings }) {
      const store = new TakesStore(platform.database);
      const media = new StoredMedia(stores);
      const projector = new Projector(platform, store, hearings, ingest);
      const service = new TakesService(platform, store, hearings, projector);
      const copies = new ReadingCopies(platform, store, media, derivedFolder);
      const http = new TakesHttp(platform, service, media, (takeId) => copies.open(takeId));
      platform.sessions.busy = (userId) => projector.hasRunning(userId);
      return {
        api: service,
        rpc: [takesRpc(service, http)],
        scopes: { take_id: { siteOf: async (id) => (await store.get(undefined, id))?.take.siteId, notFound: errors.notFound } },
        hears: { "takes.whole": ({ objectId }) => copies.make(objectId) },
        http: http.middleware(),
        begin: () => projector.begin(),
        close() {
          copies.stop();
          return projector.stop();
        },
      };
    },
  });
}
