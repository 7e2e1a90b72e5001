import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";

interface RoomId {
  siteId: string;
  roomId: string;
}

/** A take that a room brings and ingest will not have. */
export interface Refusal extends RoomId {
  takeId: string;
  reason: string;
  /** UTC ms. */
  sinceMs: number;
}

/** A room names its takes: what it invents fills no memory. */
const ROOM_MAX = 32;
const ID_MAX = 64;

/** Takes that are refused now; a take is no more when the step that was refused succeeds. */
export class Refusals {
  private readonly standing = new Map<string, Refusal>();
  private readonly listeners = new Set<() => void>();
  private readonly clock: Clock;
  private readonly log: Log;

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  refused({ siteId, roomId }: RoomId, takeId: string, step: string, error: { reason: string; details: object }): void {
    const { reason, details } = error;
    this.log.error({ alarm: "LEDGER_REFUSED", takeId, siteId, roomId, reason, details }, "a room's ledger is refused");
    const key = keyOf({ siteId, roomId }, takeId, step);
    const known = this.standing.get(key);
    const ofRoom = [...this.standing.values()].filter((it) => it.siteId === siteId && it.roomId === roomId);
    if (known?.reason === reason || (!known && ofRoom.length >= ROOM_MAX)) return;
    const sinceMs = known?.sinceMs ?? this.clock.nowMs();
    this.standing.set(key, { siteId, roomId, takeId: takeId.slice(0, ID_MAX), reason, sinceMs });
    this.tell();
  }

  accepted(room: RoomId, takeId: string, step: string): void {
    if (this.standing.delete(keyOf(room, takeId, step))) this.tell();
  }

  get all(): Refusal[] {
    return [...this.standing.values()];
  }

  /** Returns the way to stop it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

function keyOf({ siteId, roomId }: RoomId, takeId: string, step: string): string {
  return JSON.stringify([siteId, roomId, takeId.slice(0, ID_MAX), step]);
}
