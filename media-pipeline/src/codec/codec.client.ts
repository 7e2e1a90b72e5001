import type { Clock } from "@xiezhi/base/clock.ts";
import { type AccessUnit, type FrameUnit, type SampleUnit, SOUND_TIMESCALE, type SoundFormat } from "../capture/unit.ts";
import { framesOf } from "../capture/rtp/aac.ts";
import { CodecLink, type StreamUser } from "./codec-link.ts";
import { type EncodingInput, EncodingRun } from "./encoding-run.ts";

export interface Levels {
  rmsDbfs: number;
  peakDbfs: number;
}

/** A microphone's sound on its way to the AAC that is stored. Keeps what is not encoded yet, whatever happens to the codec worker. */
export interface SoundEncoding {
  /** Of what was pushed, all from before this has been encoded or never will be: monotonic microseconds. */
  readonly doneUntilUs: number;
  push(unit: SampleUnit | FrameUnit): void;
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
  private readonly link: CodecLink;

  constructor(options: { socketPath: string; clock: Clock }) {
    this.link = new CodecLink(options.socketPath, options.clock);
  }

  /** `from` names what comes in, such as PCMA/8000; `rate`: samples a second. */
  encode(options: { rate: number; from: string; onUnit(unit: AccessUnit): void }): SoundEncoding {
    const { rate, from, onUnit } = options;
    const input: EncodingInput = { rate, clockRate: rate, granule: 1, order: { kind: "encode", rate } };
    return new Encoding(this.link, { input, from, onUnit });
  }

  /** The same for AAC that is not AAC-LC mono 48 kHz: `channel` of it, from 0, or all of them mixed down. */
  encodeAnew(options: { format: SoundFormat; channel?: number | undefined; from: string; onUnit(unit: AccessUnit): void }): SoundEncoding {
    const { format, channel, from, onUnit } = options;
    const { sampleRate: rate, sourceRate: clockRate, frameSamples: granule, channels } = format;
    const coded = { config: format.config.toString("hex"), rate, channels };
    const order = { kind: "encodeAnew", ...coded, ...(channel === undefined ? {} : { channel }) } as const;
    return new Encoding(this.link, { input: { rate, clockRate, granule, order }, from, onUnit });
  }

  /** About 10 levels a second. */
  meter(options: { onLevels(levels: Levels): void }): SoundMeter {
    return new Meter(this.link, options.onLevels);
  }

  close(): void {
    this.link.close();
  }
}

/** AAC-LC, 48 kHz, mono. */
const CONFIG = Buffer.from([0x11, 0x88]);
const FRAME_SAMPLES = 1024;
const ENCODER_DELAY_TICKS = 1024;
/** A longer hole is not filled with silence. */
const FILLED_MAX_S = 1;

interface EncodingOptions {
  input: EncodingInput;
  from: string;
  onUnit(unit: AccessUnit): void;
}

class Encoding implements SoundEncoding {
  private readonly link: CodecLink;
  private readonly options: EncodingOptions;
  private readonly format: SoundFormat;
  private run: EncodingRun | undefined;

  constructor(link: CodecLink, options: EncodingOptions) {
    this.link = link;
    this.options = options;
    this.format = {
      kind: "audio",
      codec: "mp4a.40.2",
      sampleRate: SOUND_TIMESCALE,
      channels: 1,
      config: CONFIG,
      frameSamples: FRAME_SAMPLES,
      sourceRate: options.input.clockRate,
      encodedFrom: options.from,
      encoderDelayTicks: ENCODER_DELAY_TICKS,
    };
  }

  get doneUntilUs(): number {
    return this.run?.doneUntilUs ?? Number.POSITIVE_INFINITY;
  }

  push(unit: SampleUnit | FrameUnit): void {
    if (this.run && !this.continues(this.run, unit)) this.restart();
    if (!this.run) {
      const { link, format } = this;
      const { input, onUnit } = this.options;
      this.run = new EncodingRun({ link, format, input, onUnit, discontinuity: unit.discontinuity }, unit);
    }
    this.run.push(unit);
  }

  restart(): void {
    this.run?.close();
    this.run = undefined;
  }

  close(): void {
    this.restart();
  }

  private continues(run: EncodingRun, unit: SampleUnit | FrameUnit): boolean {
    const missing = run.missingBefore(unit);
    return !unit.discontinuity && missing >= 0 && missing <= FILLED_MAX_S * this.options.input.rate;
  }
}

class Meter implements SoundMeter, StreamUser {
  private readonly link: CodecLink;
  private readonly onLevels: (levels: Levels) => void;
  private format: SoundFormat | undefined;
  private stream = 0;
  private samples = 0;

  constructor(link: CodecLink, onLevels: (levels: Levels) => void) {
    this.link = link;
    this.onLevels = onLevels;
    link.add(this);
  }

  push(unit: AccessUnit): void {
    if (unit.format.kind !== "audio") return;
    if (unit.format !== this.format) {
      this.format = unit.format;
      this.link.end(this.stream);
      this.connected();
    }
    for (const frame of framesOf(unit)) {
      this.link.send(this.stream, this.samples, frame);
      this.samples += unit.format.frameSamples;
    }
  }

  close(): void {
    this.link.remove(this);
  }

  connected(): void {
    if (!this.format) return;
    const { config, sampleRate, channels } = this.format;
    this.samples = 0;
    this.stream = this.link.open(this, { kind: "meter", config: config.toString("hex"), rate: sampleRate, channels });
  }

  disconnected(): void {
    this.stream = 0;
  }

  /** Sound goes on without a level until the connection is made anew. */
  failed(): void {
    this.stream = 0;
  }

  levels(levels: Levels): void {
    this.onLevels(levels);
  }
}
