import { type AccessUnit, type SampleUnit, SOUND_TIMESCALE, type SoundFormat } from "../capture/unit.ts";
import type { CodecLink, StreamUser } from "./codec-link.ts";

/** AAC frames, each of so many samples of 48 kHz. */
const FRAME_TICKS = 1024;
/** Before the first frame that is wanted, an encoder that begins in the middle gets so many: its windows and the resampler fill. */
const PREROLL_FRAMES = 4;
/** Unencoded sound is kept while no codec worker is there: 17 minutes of G.711. Then the older half is given up, as a gap. */
const KEPT_MAX_BYTES = 16 * 1024 * 1024;
/** The codec worker took sound and gave nothing back for so long: it hangs. */
const HANGS_US = 5e6;
/** It could not open a stream: asked again after so long. */
const REFUSED_US = 1e6;

interface Piece {
  /** Of its first sample, counted from the run's first. */
  at: number;
  samples: Buffer;
  timeUs: number;
  arrivedUs: number;
  /** Stands for samples that never came. */
  lost: boolean;
  /** Packets missing before it, until a frame has told. */
  lostPackets: number;
}

interface RunOptions {
  link: CodecLink;
  rate: number;
  format: SoundFormat;
  /** The first samples begin a new source time. */
  discontinuity: boolean;
  onUnit(unit: AccessUnit): void;
}

/**
 * One unbroken piece of a microphone's sound on its way to AAC. Its frames lie on a grid of 1,024 samples of 48 kHz from its first
 * sample; frame n is encoded from what the source's own clock counts as n × 1024 / 48000 s, and gets its take time from there,
 * so that a drifting source needs no resampling. Samples stay here until their frames are back: a codec worker that was killed is
 * replaced by one that begins a few frames earlier on the same grid, and the frames go on without one missing or doubled.
 * Missing samples are encoded as silence to keep the grid, and frames with such silence in them are not handed out.
 */
export class EncodingRun implements StreamUser {
  private readonly options: RunOptions;
  private readonly pieces: Piece[] = [];
  private readonly firstTicks: number;
  /** Samples so far. */
  private length = 0;
  private nextFrame = 0;
  /** Grid point at which the codec worker's stream began. */
  private base = 0;
  private stream = 0;
  private refused = false;
  /** When it last gave something, or refused, by arrival of the newest samples. */
  private heardUs: number;
  private lostPackets = 0;
  private discontinuity: boolean;

  constructor(options: RunOptions, first: SampleUnit) {
    this.options = options;
    this.firstTicks = first.sourceTicks;
    this.discontinuity = options.discontinuity;
    this.heardUs = first.arrivedUs;
    options.link.add(this);
  }

  /** Where the next sample of the source is expected. */
  get nextTicks(): number {
    return this.firstTicks + this.length;
  }

  push(unit: SampleUnit): void {
    const { timeUs, arrivedUs, samples } = unit;
    const missing = unit.sourceTicks - this.nextTicks;
    if (missing > 0) {
      const lostUs = timeUs - (missing * 1e6) / this.options.rate;
      this.keep({ at: this.length, samples: Buffer.alloc(missing * 2), timeUs: lostUs, arrivedUs, lost: true, lostPackets: 0 });
    }
    this.keep({ at: this.length, samples, timeUs, arrivedUs, lost: false, lostPackets: unit.lostPackets });
    if ((this.length - (this.pieces[0]?.at ?? 0)) * 2 > KEPT_MAX_BYTES) this.giveUpHalf();
    const silentUs = arrivedUs - this.heardUs;
    if (this.stream > 0 && silentUs > HANGS_US) this.options.link.reset();
    if (this.refused && silentUs > REFUSED_US) this.connected();
  }

  close(): void {
    this.options.link.remove(this);
  }

  connected(): void {
    this.base = this.gridPoint();
    this.stream = this.options.link.open(this, { kind: "encode", rate: this.options.rate });
    this.refused = false;
    this.heardUs = this.newestUs;
    const from = this.sampleAt(this.base);
    for (const { at, samples } of this.pieces) {
      const skipped = Math.max(0, from - at);
      if (skipped * 2 < samples.length) this.options.link.send(this.stream, at + skipped - from, samples.subarray(skipped * 2));
    }
  }

  disconnected(): void {
    this.stream = 0;
    this.refused = false;
  }

  failed(): void {
    this.stream = 0;
    this.refused = true;
    this.heardUs = this.newestUs;
  }

  sound(at: number, bytes: Buffer): void {
    const frame = this.base + Math.round(at / FRAME_TICKS);
    this.heardUs = this.newestUs;
    if (frame < this.nextFrame) return;
    this.nextFrame = frame + 1;
    this.hand(frame, bytes);
    this.forget();
  }

  private get newestUs(): number {
    return this.pieces.at(-1)?.arrivedUs ?? this.heardUs;
  }

  private keep(piece: Piece): void {
    this.pieces.push(piece);
    this.length += piece.samples.length / 2;
    if (this.stream > 0) this.options.link.send(this.stream, piece.at - this.sampleAt(this.base), piece.samples);
  }

  private hand(frame: number, data: Buffer): void {
    const from = this.sampleAt(frame);
    const to = this.sampleAt(frame + 1);
    const touched = this.pieces.filter(({ at, samples }) => at < to && at + samples.length / 2 > from);
    const [first] = touched;
    for (const piece of this.pieces) {
      if (piece.at >= to) break;
      this.lostPackets += piece.lostPackets;
      piece.lostPackets = 0;
    }
    if (!first || touched.some(({ lost }) => lost)) return;
    const { format } = this.options;
    const { discontinuity, lostPackets } = this;
    this.discontinuity = false;
    this.lostPackets = 0;
    this.options.onUnit({
      format,
      timeUs: this.timeAt(first, from),
      sourceTicks: Math.round(this.firstTicks + from),
      arrivedUs: (touched.at(-1) ?? first).arrivedUs,
      key: true,
      damaged: false,
      lostPackets,
      discontinuity,
      data,
      untilUs: this.timeAt(first, this.sampleAt(frame + 2)),
    });
  }

  private timeAt(piece: Piece, sample: number): number {
    return piece.timeUs + ((sample - piece.at) * 1e6) / this.options.rate;
  }

  /** Where a frame begins among the source's samples; between two of them for most frames of most rates. */
  private sampleAt(frame: number): number {
    return (frame * FRAME_TICKS * this.options.rate) / SOUND_TIMESCALE;
  }

  /** The frame at which an encoder may begin so that it reaches the next wanted one warm: one that begins with a whole sample. */
  private gridPoint(): number {
    return Math.max(0, Math.floor((this.nextFrame - PREROLL_FRAMES) / this.every) * this.every);
  }

  /** Each so many frames one begins with a whole sample of the source. */
  private get every(): number {
    return SOUND_TIMESCALE / gcd(SOUND_TIMESCALE, FRAME_TICKS * this.options.rate);
  }

  private giveUpHalf(): void {
    const from = this.length - KEPT_MAX_BYTES / 4;
    while (this.pieces[0] && this.pieces[0].at < from) this.pieces.shift();
    const [first] = this.pieces;
    if (!first) return;
    first.lostPackets++;
    this.nextFrame = Math.ceil(first.at / this.sampleAt(this.every)) * this.every + PREROLL_FRAMES;
    this.options.link.reset();
  }

  private forget(): void {
    const needed = this.sampleAt(this.gridPoint());
    while (this.pieces[0] && this.pieces[0].at + this.pieces[0].samples.length / 2 <= needed) this.pieces.shift();
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
