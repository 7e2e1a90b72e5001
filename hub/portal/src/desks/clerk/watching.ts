import { type Desk, type Level, RoomPhase, RoomService, type WatchDeskResponse } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { useMemo } from "react";
import { pageClock } from "../../clock.ts";
import { useWatch } from "../../ui/asking.ts";
import type { Seen } from "../../ui/seen.ts";

/** Sound levels come ten times a second; they go past the page's rendering, straight to the bars. */
export class Levels {
  private readonly listeners = new Set<() => void>();
  private readonly byNumber = new Map<number, Level>();

  give(levels: readonly Level[]): void {
    for (const level of levels) this.byNumber.set(level.number, level);
    for (const listener of this.listeners) listener();
  }

  of(number: number): Level | undefined {
    return this.byNumber.get(number);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export interface WatchedDesk {
  seen: Seen<Desk>;
  levels: Levels;
  /** How long ago the room proved what the Desk shows, ms on the page's monotonic clock. */
  heardAgoMs(): number;
}

/** The Desk of a room with its levels. */
export function useDesk(roomId: string): WatchedDesk {
  const desk = useMemo(() => {
    const levels = new Levels();
    const heard = { atMs: Number.NEGATIVE_INFINITY, phase: RoomPhase.UNSPECIFIED };
    const pick = ({ what }: WatchDeskResponse) => {
      if (what.case === "levels") levels.give(what.value.levels);
      if (what.case !== "desk") return undefined;
      heard.atMs = pageClock.monoMs();
      heard.phase = what.value.phase;
      return what.value;
    };
    return { roomId, levels, heard, pick };
  }, [roomId]);
  const seen = useWatch(RoomService.method.watchDesk, { roomId }, desk.pick);
  return useMemo(
    () => ({
      seen,
      levels: desk.levels,
      heardAgoMs: () => {
        // A level proves that the room is there, but not that anything is durable.
        const idle = desk.heard.phase === RoomPhase.COLD || desk.heard.phase === RoomPhase.WARM;
        const deskAgoMs = pageClock.monoMs() - desk.heard.atMs;
        return idle && seen.state === "live" ? Math.min(deskAgoMs, seen.heardAgoMs()) : deskAgoMs;
      },
    }),
    [seen, desk],
  );
}
