import type { AccessUnit, TrackFormat } from "./unit.ts";

/** Begins a stretch: what is to be stored before its first chunk. */
export interface StretchHeader {
  format: TrackFormat;
  /** ftyp+moov. */
  bytes: Buffer;
  /** Ties source time to take time at the stretch's first unit (ledger.v1.Anchor). */
  anchor: { sourceTicks: number; sourceRate: number; ticks: number; arrivedUs: number };
}

/** One unit as moof+mdat. */
export interface Chunk {
  /** For writev: moof with the head of mdat, then the unit's bytes. Never changed afterwards. */
  parts: [Buffer, Buffer];
  bytes: number;
  /** Decode time in take time, and length: VIDEO_TIMESCALE or SOUND_TIMESCALE ticks. */
  ticks: number;
  durationTicks: number;
  key: boolean;
  damaged: boolean;
  /** Packets missing right before this unit. */
  lostPackets: number;
  arrivedUs: number;
  /** Of the unit, if it was encoded here (AccessUnit.untilUs), microseconds of take time. */
  untilUs?: number;
}

export interface PackagerOptions {
  /** Tick 0, microseconds on the monotonic axis. */
  t0Us: number;
  /** Nothing is placed before it: where a worker before this one ended. Ticks. */
  floorTicks?: number;
  onStretch(header: StretchHeader): void;
  onChunk(chunk: Chunk): void;
}

/** Makes chunks of one track's access units. See the class for the rules. */
export class Packager {
  constructor(_options: PackagerOptions) {}
  /** In decoding order. Emits the unit before it. */
  push(_unit: AccessUnit): void {}
  /** Emits a unit that has waited 100 ms for the next one; to be called every 50 ms or so. */
  poll(_nowUs: number): void {}
  /** Emits the unit that waits for the next one: at pause and stop. */
  flush(): void {}
  /** The next unit begins a new stretch even if its format is the same: after pause. */
  restart(): void {}
  /** Where the last chunk ends, in ticks. */
  get endTicks(): number {
    return 0;
  }
}
