/** How long the filter remembers a fast arrival, seconds. */
const WINDOW_S = 30;
/** The mapping moves towards the filter by this part of elapsed time. */
const SLEW = 500e-6;
/** After the source's clock has jumped one arrival is all that is known: the mapping may follow the filter faster for a while. */
const SETTLE_SLEW = 0.25;
const SETTLE_US = 2e6;
/** Farther off begins anew (DECISIONS 1). */
const JUMP_US = 500_000;
/** Late for so long without a pause is no congestion any more: the source's clock has stood still. */
const LATE_US = 10e6;
/** Pictures come in decoding order, so times may go back by a few of them. */
const REORDER_US = 1e6;

/**
 * Source time to the machine's monotonic time (DECISIONS 1). Network and device can only delay, so the smallest
 * (arrival − source time) of the last 30 s is the truest: a lower envelope. It stands, up to a constant that is the device's
 * own least delay, for the instant at which the picture was taken; jitter and bursts lie above it and have no part in it.
 * The mapping follows the envelope at most 500 ppm fast, so that time runs evenly. What it maps rises with source time.
 */
export class TakeTime {
  /** The last `map` has found the source's clock elsewhere: the mapping has begun anew with that unit. */
  jumped = false;
  private readonly usPerTick: number;
  private readonly envelope = new Envelope();
  /** Added to source time, microseconds. */
  private offsetUs: number | undefined;
  /** What the device's other tracks say about this one's delay; 0 or less. */
  private alignmentUs = 0;
  /** Source time to the device's own UTC, microseconds, by its last sender report. */
  private deviceOffsetUs: number | undefined;
  private newestSourceUs = Number.NEGATIVE_INFINITY;
  /** In source time. */
  private settledAtUs = Number.NEGATIVE_INFINITY;
  private lateSinceUs: number | undefined;
  private restarted = false;

  /** `rate`: source ticks a second. */
  constructor(rate: number) {
    this.usPerTick = 1e6 / rate;
  }

  /** Feeds the filter alone: with packets whose units are not there yet, or are held back until a burst is over. */
  observe(sourceTicks: number, arrivedUs: number): void {
    this.envelope.add(arrivedUs - sourceTicks * this.usPerTick, arrivedUs);
  }

  /** Takes the filter's present value at once: after a connection's first units were observed. */
  settle(): void {
    if (!this.envelope.empty) this.offsetUs = this.targetUs;
  }

  /** The source has said that it begins anew: its times have nothing to do with earlier ones. */
  restart(): void {
    this.restarted = true;
  }

  /** The filter's present value, microseconds. */
  get leastUs(): number {
    return this.envelope.leastUs;
  }

  /** Feeds the filter and tells when the unit was taken, microseconds on the monotonic axis. `sourceTicks` are unwrapped. */
  map(sourceTicks: number, arrivedUs: number): number {
    const sourceUs = sourceTicks * this.usPerTick;
    const delayUs = arrivedUs - sourceUs;
    if (this.offsetUs === undefined) this.settle();
    this.jumped = this.isElsewhere(sourceUs, delayUs, arrivedUs);
    if (this.jumped || this.offsetUs === undefined) this.beginAnew(sourceUs, delayUs);
    this.envelope.add(delayUs, arrivedUs);
    this.offsetUs = this.slewed(sourceUs, this.offsetUs ?? delayUs);
    this.newestSourceUs = Math.max(this.newestSourceUs, sourceUs);
    return sourceUs + this.offsetUs;
  }

  /** A sender report: the device's UTC, milliseconds, when the source's clock showed `sourceTicks`. */
  report(ntpMs: number, sourceTicks: number): void {
    this.deviceOffsetUs = ntpMs * 1e3 - sourceTicks * this.usPerTick;
  }

  /**
   * Brings tracks of one device together. Each track's envelope holds its own least delay (a picture is encoded longer than
   * a sound); sender reports put them on the device's one clock, and there the track with the least delay speaks for all.
   * A correction of more than 500 ms is no delay but a clock that reports wrongly, and is not believed.
   */
  static align(tracks: readonly TakeTime[]): void {
    let leastUs = Number.POSITIVE_INFINITY;
    for (const track of tracks) leastUs = Math.min(leastUs, track.deviceDelayUs ?? leastUs);
    for (const track of tracks) {
      const alignmentUs = leastUs - (track.deviceDelayUs ?? leastUs);
      track.alignmentUs = alignmentUs >= -JUMP_US ? alignmentUs : 0;
    }
  }

  /** Device's UTC to monotonic time, with this track's delay. */
  private get deviceDelayUs(): number | undefined {
    return this.deviceOffsetUs === undefined || this.envelope.empty ? undefined : this.envelope.leastUs - this.deviceOffsetUs;
  }

  private get targetUs(): number {
    return this.envelope.leastUs + this.alignmentUs;
  }

  private isElsewhere(sourceUs: number, delayUs: number, arrivedUs: number): boolean {
    if (this.offsetUs === undefined) return false;
    const lateUs = delayUs - this.offsetUs;
    if (lateUs <= JUMP_US) this.lateSinceUs = undefined;
    else this.lateSinceUs ??= arrivedUs;
    const late = this.lateSinceUs !== undefined && arrivedUs - this.lateSinceUs > LATE_US;
    return late || this.restarted || lateUs < -JUMP_US || sourceUs < this.newestSourceUs - REORDER_US;
  }

  private beginAnew(sourceUs: number, delayUs: number): void {
    if (this.jumped) {
      this.envelope.clear();
      this.alignmentUs = 0;
      this.deviceOffsetUs = undefined;
    }
    this.offsetUs = delayUs;
    this.restarted = false;
    this.lateSinceUs = undefined;
    this.newestSourceUs = sourceUs;
    this.settledAtUs = sourceUs + SETTLE_US;
  }

  /** The step is a part of the source's own progress: however late a unit is, time does not run back. */
  private slewed(sourceUs: number, offsetUs: number): number {
    const progressUs = Math.max(0, sourceUs - this.newestSourceUs);
    const stepUs = progressUs * (sourceUs < this.settledAtUs ? SETTLE_SLEW : SLEW);
    return offsetUs + Math.max(-stepUs, Math.min(stepUs, this.targetUs - offsetUs));
  }
}

/** The least value of the last 30 s, by the second. */
class Envelope {
  leastUs = Number.POSITIVE_INFINITY;
  private readonly leastBySecond = new Float64Array(WINDOW_S).fill(Number.POSITIVE_INFINITY);
  private second = Number.NEGATIVE_INFINITY;

  get empty(): boolean {
    return this.leastUs === Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.leastBySecond.fill(Number.POSITIVE_INFINITY);
    this.leastUs = Number.POSITIVE_INFINITY;
  }

  add(delayUs: number, atUs: number): void {
    const second = Math.floor(atUs / 1e6);
    if (second > this.second) this.turn(second);
    const slot = this.second % WINDOW_S;
    if (delayUs < (this.leastBySecond[slot] as number)) this.leastBySecond[slot] = delayUs;
    if (delayUs < this.leastUs) this.leastUs = delayUs;
  }

  private turn(second: number): void {
    const first = Math.max(this.second + 1, second - WINDOW_S + 1);
    for (let passed = first; passed <= second; passed++) this.leastBySecond[passed % WINDOW_S] = Number.POSITIVE_INFINITY;
    this.second = second;
    this.leastUs = Math.min(...this.leastBySecond);
  }
}
