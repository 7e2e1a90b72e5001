import type { Alarm } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import type { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import type { Platform } from "../../platform/module.ts";
import type { AlarmsStore } from "./alarms.store.ts";

/** Who broke off is asked again after this. */
const AGAIN_MS = 1_000;
const TOPIC = "alarms";

/** Gathers what is wrong from those who find out, and tells it to people. */
export class AlarmsService {
  private readonly platform: Platform;
  private readonly store: AlarmsStore;
  private readonly ingest: Client<typeof IngestService>;
  private readonly stopped = new AbortController();
  private following: Promise<void> | undefined;

  constructor(platform: Platform, store: AlarmsStore, ingest: Client<typeof IngestService>) {
    this.platform = platform;
    this.store = store;
    this.ingest = ingest;
  }

  begin(): void {
    const { signal } = this.stopped;
    this.following = this.follow("ingest", () => this.ingest.watchAlarms({}, { signal }), signal);
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.following;
  }

  async *watch(siteIds: readonly string[], roomId: string, signal: AbortSignal): AsyncGenerator<{ alarms: Alarm[] }> {
    for await (const _ of this.platform.hints.watch([TOPIC], signal))
      yield { alarms: this.store.standing(siteIds, roomId, this.platform.clock.nowMs()) };
  }

  private async follow(teller: string, watch: () => AsyncIterable<{ alarms: Alarm[] }>, signal: AbortSignal): Promise<void> {
    const { clock, hints, log } = this.platform;
    while (!signal.aborted) {
      try {
        for await (const { alarms } of watch()) {
          this.store.replace(teller, alarms);
          hints.touch(TOPIC);
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ teller, why: (error as Error).message }, "alarms can't be heard and are asked for again");
      }
      this.store.lost(teller, clock.nowMs());
      hints.touch(TOPIC);
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }
}
