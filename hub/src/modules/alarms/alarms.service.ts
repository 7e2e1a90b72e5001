import { create } from "@bufbuild/protobuf";
import { type Alarm, AlarmReason, AlarmSchema } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import type { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import type { Platform } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import type { AlarmsStore } from "./alarms.store.ts";

/** Who broke off is asked again after this. */
const AGAIN_MS = 1_000;
const TOPIC = "alarms";

interface Tellers {
  ingest: Client<typeof IngestService>;
  hearings: HearingsService;
}

/** Gathers what is wrong from those who find out, and tells it to people. */
export class AlarmsService {
  private readonly platform: Platform;
  private readonly store: AlarmsStore;
  private readonly tellers: Tellers;
  private readonly stopped = new AbortController();
  private following: Promise<unknown> | undefined;

  constructor(platform: Platform, store: AlarmsStore, tellers: Tellers) {
    this.platform = platform;
    this.store = store;
    this.tellers = tellers;
  }

  begin(): void {
    const { signal } = this.stopped;
    const { ingest } = this.tellers;
    this.following = Promise.all([
      this.follow("ingest", () => ingest.watchAlarms({}, { signal }), signal),
      this.follow("hearings", () => this.contested(signal), signal),
    ]);
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.following;
  }

  async *watch(siteIds: readonly string[], roomId: string, signal: AbortSignal): AsyncGenerator<{ alarms: Alarm[] }> {
    for await (const _ of this.platform.hints.watch([TOPIC], signal))
      yield { alarms: this.store.standing(siteIds, roomId, this.platform.clock.nowMs()) };
  }

  /** One for each room that recorded it: each Desk shows its own. */
  private async *contested(signal: AbortSignal): AsyncGenerator<{ alarms: Alarm[] }> {
    for await (const contested of this.tellers.hearings.watchContested(signal))
      yield {
        alarms: contested.flatMap(({ hearingId, siteId, sinceMs, roomIds }) =>
          roomIds.map((roomId) =>
            create(AlarmSchema, {
              reason: AlarmReason.HEARING_CONTESTED,
              subject: hearingId,
              siteId,
              roomId,
              sinceMs: BigInt(sinceMs),
            }),
          ),
        ),
      };
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
