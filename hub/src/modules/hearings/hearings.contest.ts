import type { Link } from "./hearings.store.ts";

/**
 * Whether two rooms recorded one hearing at the same time, which only happens where they did not hear of each other. Nobody but a
 * person can say which take holds it: a pair of which both are settled counts no more. A span that is open lasts until it is closed.
 */
export function overlapBetweenRooms(links: readonly Link[], settled: readonly string[]): boolean {
  return links.some((one, at) =>
    links.slice(at + 1).some((other) => {
      if (one.roomId === other.roomId || one.roomId === "" || other.roomId === "") return false;
      if (settled.includes(one.takeId) && settled.includes(other.takeId)) return false;
      return fromMs(one) < toMs(other) && fromMs(other) < toMs(one);
    }),
  );
}

function fromMs({ beganMs, fromUs }: Link): number {
  return beganMs + fromUs / 1e3;
}

function toMs({ beganMs, toUs }: Link): number {
  return toUs === 0 ? Number.POSITIVE_INFINITY : beganMs + toUs / 1e3;
}
