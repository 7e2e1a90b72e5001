/** Pictures closer than this are pressed together: they were recorded before, or their source's clock went back. 1/90000 s. */
const LEAST_TICKS = 90;
const REMEMBERED = 8;

interface Placed {
  shown: number;
  decoded: number;
}

/**
 * Decoding times of one stretch's pictures, which come in decoding order with the times at which they are shown. Most
 * cameras show them in the order in which they come, and then both are one. Where times go back (B pictures) decoding goes on
 * evenly from each key frame, and composition offsets, also negative ones, say when a picture is shown.
 */
export class DecodeTimes {
  /** Some picture was shown before one that came earlier. */
  private reordered = false;
  private begunAt = 0;
  private readonly recent: number[] = [];
  private spacing = 0;
  private keyDecoded = 0;
  private sinceKey = 0;

  /** The first picture of the stretch, a key frame. */
  begin(shown: number, floor: number): number {
    this.remember(shown);
    this.keyDecoded = Math.max(shown, floor);
    this.begunAt = this.keyDecoded;
    return this.keyDecoded;
  }

  /** Presentation minus decoding time. What would be shown before the stretch begins is shown when it is decoded. */
  offset({ shown, decoded }: Placed): number {
    return this.reordered && shown >= this.begunAt ? shown - decoded : 0;
  }

  /** When the picture after `before` is decoded; not before `floor`. */
  next(before: Placed, shown: number, key: boolean, floor: number): number {
    this.remember(shown);
    if (shown < before.shown && !key) this.reordered = true;
    if (key && this.reordered) this.spacing = 0;
    if (this.reordered && this.spacing === 0) this.spacing = this.leastSpacing();
    this.sinceKey = key ? 0 : this.sinceKey + 1;
    const wanted = this.reordered && !key ? this.keyDecoded + this.sinceKey * this.spacing : shown;
    const decoded = Math.max(wanted, before.decoded + LEAST_TICKS, floor);
    if (key) this.keyDecoded = decoded;
    return decoded;
  }

  private remember(shown: number): void {
    this.recent.push(shown);
    if (this.recent.length > REMEMBERED) this.recent.shift();
  }

  private leastSpacing(): number {
    const sorted = this.recent.toSorted((a, b) => a - b);
    let least = Number.POSITIVE_INFINITY;
    for (const [index, shown] of sorted.entries())
      least = Math.min(least, Math.max(LEAST_TICKS, shown - (sorted[index - 1] ?? Number.NEGATIVE_INFINITY)));
    return least;
  }
}
