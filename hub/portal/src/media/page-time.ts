import type { PageClock } from "../clock.ts";

/** Nearer than this nothing is corrected, seconds. */
const exactS = 0.012;
/** An element so far ahead stands until the page has come; one so far behind makes the page wait. Neither costs decoding anew. */
const aheadAboveS = 0.08;
const againBelowS = 0.02;
const behindAboveS = 0.3;
/** Farther off it is set to the page's time: a browser then decodes from the last key frame. */
const seekAboveS = 2;
const gain = 4;
/** How much faster or slower at most: a picture may, of sound nobody should hear it. */
export const mostSteer = { video: 0.35, audio: 0.12 } as const;

/** The take time that all cameras and microphones of a page are held to, seconds. */
export class PageTime {
  private readonly clock: PageClock;
  private baseS = 0;
  private baseMonoMs: number;
  private running = false;
  private speed = 1;

  constructor(clock: PageClock) {
    this.clock = clock;
    this.baseMonoMs = clock.monoMs();
  }

  get atS(): number {
    return this.running ? this.baseS + ((this.clock.monoMs() - this.baseMonoMs) / 1_000) * this.speed : this.baseS;
  }

  get rate(): number {
    return this.speed;
  }

  run(running: boolean): void {
    if (running === this.running) return;
    this.rebase(this.atS);
    this.running = running;
  }

  setRate(rate: number): void {
    this.rebase(this.atS);
    this.speed = rate;
  }

  seek(atS: number): void {
    this.rebase(atS);
  }

  private rebase(atS: number): void {
    this.baseS = atS;
    this.baseMonoMs = this.clock.monoMs();
  }
}

export type Steering = { do: "seek" } | { do: "stand" } | { do: "play"; rate: number };

/** How an element that is `aheadS` of the page's time comes to it; `most` as in `mostSteer`. */
export function steer(aheadS: number, standing: boolean, rate: number, most: number): Steering {
  if (Math.abs(aheadS) > seekAboveS * Math.max(1, rate)) return { do: "seek" };
  if (aheadS > (standing ? againBelowS : aheadAboveS)) return { do: "stand" };
  if (Math.abs(aheadS) <= exactS) return { do: "play", rate };
  return { do: "play", rate: rate * (1 - Math.max(-most, Math.min(most, aheadS * gain))) };
}

/** An element so far behind can't be made up for by speed: the page waits for it. */
export function isLeftBehind(aheadS: number): boolean {
  return aheadS < -behindAboveS;
}

/** How far the page's time moves towards its elements: half of their median lead or lag, nothing where that is small. */
export function followedS(aheadS: readonly number[]): number {
  const median = aheadS.toSorted((a, b) => a - b)[Math.floor(aheadS.length / 2)] ?? 0;
  return Math.abs(median) <= exactS || Math.abs(median) > behindAboveS ? 0 : median / 2;
}
