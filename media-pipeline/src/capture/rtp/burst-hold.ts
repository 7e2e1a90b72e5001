import type { TakeTime } from "../take-time.ts";

const LEAST_US = 250_000;
/** The filters have found nothing earlier for so long: units come at the pace at which they are taken. */
const CALM_US = 100_000;
const FALL_US = 15_000;
/** However slowly the burst comes. */
const MOST_US = 2e6;

/**
 * Many cameras begin with a burst of pictures that they had kept. Until it is over nobody knows when these were taken: the
 * first arrival says nothing, the first live one says all. So the first units wait, a quarter of a second when there is no
 * burst, at most 2 s, and pass in order when the filters have become calm. No timer: what comes later lets go what came before.
 */
export class BurstHold {
  over = false;
  private readonly onOver: () => void;
  private readonly waiting: (() => void)[] = [];
  private readonly leastUs = new Map<TakeTime, number>();
  private beganUs: number | undefined;
  private fellUs = 0;

  /** `onOver`: called once, before the first unit passes. */
  constructor(onOver: () => void) {
    this.onOver = onOver;
  }

  /** A packet came that fed this filter. */
  arrive(time: TakeTime, arrivedUs: number): void {
    if (this.over) return;
    this.beganUs ??= arrivedUs;
    if (time.leastUs < (this.leastUs.get(time) ?? Number.POSITIVE_INFINITY) - FALL_US) {
      this.leastUs.set(time, time.leastUs);
      this.fellUs = arrivedUs;
    }
    const elapsedUs = arrivedUs - this.beganUs;
    if (elapsedUs >= MOST_US || (elapsedUs >= LEAST_US && arrivedUs - this.fellUs >= CALM_US)) this.end();
  }

  pass(unit: () => void): void {
    if (this.over) unit();
    else this.waiting.push(unit);
  }

  private end(): void {
    this.over = true;
    this.onOver();
    for (const unit of this.waiting.splice(0)) unit();
  }
}
