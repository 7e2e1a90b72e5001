import { statfsSync } from "node:fs";
import type { Clock } from "@xiezhi/base/clock.ts";

/** How much of a new measurement counts: the rate is shown in hours that are left, which should not jump. */
const WEIGHT = 0.1;

/** Room for the spool, and how fast it is used. */
export class SpoolSpace {
  freeBytes = 0;
  /** What sources bring in an hour; 0: not known yet. */
  bytesPerHour = 0;
  private readonly folder: string;
  private readonly clock: Clock;
  private seen: { bytes: number; atUs: number } | undefined;

  constructor(folder: string, clock: Clock) {
    this.folder = folder;
    this.clock = clock;
  }

  /** `receivedBytes`: by all sources, since they run. */
  look(receivedBytes: number): void {
    const { bavail, bsize } = statfsSync(this.folder);
    this.freeBytes = bavail * bsize;
    const before = this.seen;
    this.seen = { bytes: receivedBytes, atUs: this.clock.monoUs() };
    if (!before || receivedBytes <= before.bytes || this.seen.atUs === before.atUs) return;
    const rate = ((receivedBytes - before.bytes) * 3_600e6) / (this.seen.atUs - before.atUs);
    this.bytesPerHour += (rate - this.bytesPerHour) * (this.bytesPerHour === 0 ? 1 : WEIGHT);
  }
}
