import { type Alarm, AlarmSchema } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { create } from "@bufbuild/protobuf";
import type { Migration } from "../../platform/database/migrations.ts";

/** No table: who raised an alarm says it again within a second of the hub's start, or it stands no more. */
export const migrations: readonly Migration[] = [];

interface Told {
  alarms: readonly Alarm[];
  /** UTC ms when who told it was last heard; undefined while it is. */
  heardTillMs: number | undefined;
}

/** Alarms that stand, by who told them. */
export class AlarmsStore {
  private readonly told = new Map<string, Told>();

  /** What this teller says now replaces all that it said before. */
  replace(teller: string, alarms: readonly Alarm[]): void {
    this.told.set(teller, { alarms, heardTillMs: undefined });
  }

  /** It can't be heard any more: what it said last still stands, unproven since. */
  lost(teller: string, atMs: number): void {
    const told = this.told.get(teller);
    if (told) told.heardTillMs ??= atMs;
  }

  /** The hub's own and those of these sites, oldest first; of one room where it is named. */
  standing(siteIds: readonly string[], roomId: string, nowMs: number): Alarm[] {
    return [...this.told.values()]
      .flatMap(({ alarms, heardTillMs = nowMs }) =>
        alarms.map((alarm) => create(AlarmSchema, { ...alarm, provenAtMs: BigInt(heardTillMs) })),
      )
      .filter((alarm) => alarm.siteId === "" || (siteIds.includes(alarm.siteId) && (roomId === "" || alarm.roomId === roomId)))
      .sort((a, b) => Number(a.sinceMs - b.sinceMs));
  }
}
