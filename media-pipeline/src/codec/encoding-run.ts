import { type AccessUnit, type FrameUnit, type SampleUnit, SOUND_TIMESCALE, type SoundFormat } from "../capture/unit.ts";
import type { CodecLink, OpenOrder, StreamUser } from "./codec-link.ts";

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
  /** Samples that it holds, or stands for. */
  length: number;
  bytes: Buffer;
  timeUs: number;
  arrivedUs: number;
  /** Stands for sound that never came, or needs some to be decoded. */
  lost: boolean;
  /** Packets missing before it, until a frame has told. */
  lostPackets: number;
}

/** What a run is fed with. */
export interface EncodingInput {
  /** Samples a second. */
  rate: number;
  /** Ticks a second of `sourceTicks`. */
  clockRate: number;
  /** Samples that can't be parted: 1, or an AAC frame's. */
  granule: number;
  /** Opens its stream at the codec worker. */
  order: OpenOrder;
}

interface RunOptions {
  link: CodecLink;
  input: EncodingInput;
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
 * Missing sound keeps its place on the grid by silence, or by AAC frames that come twice, and frames with such in them are not
 * handed out.
 */
export class EncodingRun implements StreamUser {
  private readonly options: RunOptions;
  private readonly pieces: Piece[] = [];
  private readonly firstTicks: number;
  /** Samples so far. */
  private length = 0;
  private nextFrame = 0;
  /** Where the sound begins that the last frame has no part of, monotonic microseconds. */
  private reachedUs: number;
  /** Grid point at which the codec worker's stream began. */
  private base = 0;
  private stream = 0;
  private refused = false;
  /** When it last gave something, or refused, by arrival of the newest samples. */
  private heardUs: number;
  private lostPackets = 0;
  private discontinuity: boolean;

  constructor(options: RunOptions, first: SampleUnit | FrameUnit) {
    this.options = options;
    this.firstTicks = first.sourceTicks;
    this.discontinuity = options.discontinuity;
    this.heardUs = first.arrivedUs;
    this.reachedUs = first.timeUs;
    options.link.add(this);
  }

  /** Sound of before this has come back, as a frame or as one that is not handed out; all of it, once the codec worker refuses. */
  get doneUntilUs(): number {
    return this.refused ? Number.POSITIVE_INFINITY : this.reachedUs;
  }

  /** How many samples are missing between what came and this unit, in whole granules; negative: it goes back. */
  missingBefore({ sourceTicks }: SampleUnit | FrameUnit): number {
    const { rate, clockRate, granule } = this.options.input;
    const samples = ((sourceTicks - this.firstTicks) * rate) / clockRate - this.length;
    return Math.round(samples / granule) * granule;
  }

  push(unit: SampleUnit | FrameUnit): void {
    const { arrivedUs } = unit;
    const missing = this.missingBefore(unit);
    if ("samples" in unit) this.takeSamples(unit, missing);
    else this.takeFrames(unit, missing);
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
    this.stream = this.options.link.open(this, this.options.input.order);
    this.refused = false;
    this.heardUs = this.newestUs;
    const from = this.sampleAt(this.base);
    for (const { at, length, bytes } of this.pieces) {
      const skipped = Math.max(0, from - at);
      // What can't be parted begins later; the codec worker fills what is missing before it.
      if (skipped < length && (skipped === 0 || this.options.input.granule === 1))
        this.options.link.send(this.stream, at + skipped - from, bytes.subarray(skipped * 2));
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

  private takeSamples({ samples, timeUs, arrivedUs, lostPackets }: SampleUnit, missing: number): void {
    if (missing > 0) {
      const bytes = Buffer.alloc(missing * 2);
      this.keep({ length: missing, bytes, timeUs: timeUs - this.us(missing), arrivedUs, lost: true, lostPackets: 0 });
    }
    this.keep({ length: samples.length / 2, bytes: samples, timeUs, arrivedUs, lost: false, lostPackets });
  }

  private takeFrames({ frames, timeUs, arrivedUs, lostPackets }: FrameUnit, missing: number): void {
    const { granule } = this.options.input;
    const [first] = frames;
    if (!first) return;
    for (let left = missing; left > 0; left -= granule)
      this.keep({ length: granule, bytes: first, timeUs: timeUs - this.us(left), arrivedUs, lost: true, lostPackets: 0 });
    for (const [index, bytes] of frames.entries()) {
      // Half of the window of a frame after lost ones lies in these (ISO/IEC 14496-3 4.6.11): its sound is not the source's.
      const lost = missing > 0 && index === 0;
      const atUs = timeUs + this.us(index * granule);
      this.keep({ length: granule, bytes, timeUs: atUs, arrivedUs, lost, lostPackets: index === 0 ? lostPackets : 0 });
    }
  }

  private keep(facts: Omit<Piece, "at">): void {
    const piece = { at: this.length, ...facts };
    this.pieces.push(piece);
    this.length += piece.length;
    if (this.stream > 0) this.options.link.send(this.stream, piece.at - this.sampleAt(this.base), piece.bytes);
  }

  private hand(frame: number, data: Buffer): void {
    const from = this.sampleAt(frame);
    const to = this.sampleAt(frame + 1);
    const touched = this.pieces.filter(({ at, length }) => at < to && at + length > from);
    const [first] = touched;
    for (const piece of this.pieces) {
      if (piece.at >= to) break;
      this.lostPackets += piece.lostPackets;
      piece.lostPackets = 0;
    }
    if (!first) return;
    this.reachedUs = this.timeAt(first, this.sampleAt(frame + 2));
    if (touched.some(({ lost }) => lost)) return;
    const { format, input } = this.options;
    const { discontinuity, lostPackets } = this;
    this.discontinuity = false;
    this.lostPackets = 0;
    this.options.onUnit({
      format,
      timeUs: this.timeAt(first, from),
      sourceTicks: Math.round(this.firstTicks + (from * input.clockRate) / input.rate),
      arrivedUs: (touched.at(-1) ?? first).arrivedUs,
      key: true,
      damaged: false,
      lostPackets,
      discontinuity,
      data,
      untilUs: this.reachedUs,
    });
  }

  private timeAt(piece: Piece, sample: number): number {
    return piece.timeUs + this.us(sample - piece.at);
  }

  private us(samples: number): number {
    return (samples * 1e6) / this.options.input.rate;
  }

  /** Where a frame begins among the source's samples; between two of them for most frames of most rates. */
  private sampleAt(frame: number): number {
    return (frame * FRAME_TICKS * this.options.input.rate) / SOUND_TIMESCALE;
  }

  /** The frame at which an encoder may begin so that it reaches the next wanted one warm: one that begins with a whole sample. */
  private gridPoint(): number {
    return Math.max(0, Math.floor((this.nextFrame - this.preroll) / this.every) * this.every);
  }

  /** Each so many frames one begins with a whole sample of the source. */
  private get every(): number {
    return SOUND_TIMESCALE / gcd(SOUND_TIMESCALE, FRAME_TICKS * this.options.input.rate);
  }

  /** AAC begins up to a granule late, and the first one that a decoder gets is not whole. */
  private get preroll(): number {
    const { granule } = this.options.input;
    return PREROLL_FRAMES + (granule > 1 ? Math.ceil((2 * granule) / this.sampleAt(1)) : 0);
  }

  private giveUpHalf(): void {
    const from = this.length - KEPT_MAX_BYTES / 4;
    while (this.pieces[0] && this.pieces[0].at < from) this.pieces.shift();
    const [first] = this.pieces;
    if (!first) return;
    first.lostPackets++;
    this.nextFrame = Math.ceil(first.at / this.sampleAt(this.every)) * this.every + this.preroll;
    this.options.link.reset();
  }

  private forget(): void {
    const needed = this.sampleAt(this.gridPoint());
    while (this.pieces[0] && this.pieces[0].at + this.pieces[0].length <= needed) this.pieces.shift();
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
