import type { PageClock } from "../clock.ts";

/** Elements this far from the page's time are set to it; nearer they run a little faster or slower, which nobody hears. */
const seekAboveS = 0.3;
const exactS = 0.012;
const gain = 2;
const mostSteer = 0.12;

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

/** How an element that stands at `elementS` comes to the page's time. */
export function steer(elementS: number, pageS: number, rate: number): { seekToS: number } | { rate: number } {
  const aheadS = elementS - pageS;
  if (Math.abs(aheadS) > seekAboveS * Math.max(1, rate)) return { seekToS: pageS };
  if (Math.abs(aheadS) <= exactS) return { rate };
  return { rate: rate * (1 - Math.max(-mostSteer, Math.min(mostSteer, aheadS * gain))) };
}
