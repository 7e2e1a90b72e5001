import type { Clock } from "@xiezhi/base/clock.ts";
import type { AccessUnit, SampleUnit } from "../capture/unit.ts";

export interface Levels {
  rmsDbfs: number;
  peakDbfs: number;
}

/** A microphone's samples on their way to AAC. Keeps what is not encoded yet, whatever happens to the codec worker. */
export interface SoundEncoding {
  push(unit: SampleUnit): void;
  /** Forgets what is not encoded and begins anew with the next samples: at resume, so that nothing of the pause has a part in what follows. */
  restart(): void;
  close(): void;
}

/** Levels of sound that arrives as AAC. Gives nothing while the codec worker is away. */
export interface SoundMeter {
  push(unit: AccessUnit): void;
  close(): void;
}

/** A capture worker's connection to the codec worker; connects again by itself. */
export class CodecClient {
  constructor(_options: { socketPath: string; clock: Clock }) {}
  /** `from` names what comes in, such as PCMA/8000. */
  encode(_options: { rate: number; from: string; onUnit(unit: AccessUnit): void }): SoundEncoding {
    throw new Error("unfinished");
  }
  /** About 10 levels a second. */
  meter(_options: { onLevels(levels: Levels): void }): SoundMeter {
    throw new Error("unfinished");
  }
  close(): void {}
}
