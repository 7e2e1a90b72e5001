import { ChunkHeads } from "../mp4/chunk-head.ts";
import { initHeader } from "../mp4/header.ts";
import { DecodeTimes } from "./decode-times.ts";
import { type AccessUnit, SOUND_TIMESCALE, type TrackFormat, VIDEO_TIMESCALE } from "./unit.ts";

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

interface PackagerOptions {
  /** Tick 0, microseconds on the monotonic axis. */
  t0Us: number;
  /** Nothing is placed before it: where a worker before this one ended. Ticks. */
  floorTicks?: number;
  onStretch(header: StretchHeader): void;
  onChunk(chunk: Chunk): void;
}

/** A unit waits so long for the next one, whose time tells its length. */
const HOLD_US = 100_000;
const FIRST_DURATION_TICKS = VIDEO_TIMESCALE / 25;
const DURATION_MAX_TICKS = 2 * VIDEO_TIMESCALE;

interface Held {
  unit: AccessUnit;
  /** Presentation and decoding, in ticks. */
  shown: number;
  decoded: number;
}

/**
 * Makes chunks of one track's access units. The clock in the bytes is take time (DECISIONS 1, 5):
 *
 * - A unit is held until the next one tells its exact length, at most 100 ms; then, and before a hole, it gets the last one's.
 * - A stretch begins with the first unit of another format, of a source clock that jumped, and after `restart`; always with a
 *   key frame. Where the clock jumps between key frames the old stretch goes on to the next one: take time is right all the same.
 * - Nothing stands before tick 0, or before what is there already: pictures of a burst that were recorded before the connection
 *   was lost are kept, a millisecond each, because those after them need them; such sound is dropped.
 */
export class Packager {
  private readonly options: PackagerOptions;
  private readonly heads = new ChunkHeads();
  private format: TrackFormat | undefined;
  private held: Held | undefined;
  /** The picture that was emitted last in this stretch. */
  private last: Held | undefined;
  private order = new DecodeTimes();
  private end: number;
  private lastDuration = FIRST_DURATION_TICKS;
  private sequence = 0;
  private beginsStretch = false;

  constructor(options: PackagerOptions) {
    this.options = options;
    this.end = options.floorTicks ?? 0;
  }

  /** Where the last chunk ends, in ticks. */
  get endTicks(): number {
    return this.end;
  }

  /** In decoding order. Emits the unit before it. */
  push(unit: AccessUnit): void {
    if (unit.discontinuity || unit.format !== this.format) this.beginsStretch = true;
    if (!unit.key && (this.format === undefined || unit.format !== this.format)) return;
    const shown = this.ticksOf(unit);
    if (unit.format.kind === "audio") this.pushSound(unit, shown);
    else this.pushPicture(unit, shown);
  }

  /** Emits a unit that has waited 100 ms for the next one; to be called every 50 ms or so. */
  poll(nowUs: number): void {
    if (this.held && nowUs - this.held.unit.arrivedUs >= HOLD_US) this.flush();
  }

  /** Emits the unit that waits for the next one: at pause and stop. */
  flush(): void {
    if (this.held) this.emit(this.held, this.usualDuration(this.held.unit));
  }

  /** The next key frame begins a new stretch even if its format is the same, and nothing comes before it: after a pause. */
  restart(): void {
    this.flush();
    this.format = undefined;
  }

  private ticksOf({ timeUs, format }: AccessUnit): number {
    const timescale = format.kind === "video" ? VIDEO_TIMESCALE : SOUND_TIMESCALE;
    return Math.round(((timeUs - this.options.t0Us) * timescale) / 1e6);
  }

  private pushPicture(unit: AccessUnit, shown: number): void {
    const begins = this.beginsStretch && unit.key;
    const before = this.held ?? this.last;
    const decoded = begins || !before ? undefined : this.order.next(before, shown, unit.key, this.held ? 0 : this.end);
    if (this.held) this.emitPicture(this.held, decoded ?? shown, shown, begins || unit.lostPackets > 0);
    if (decoded !== undefined) this.hold(unit, shown, decoded);
    else {
      this.order = new DecodeTimes();
      this.hold(unit, shown, this.order.begin(shown, this.end));
    }
  }

  /** `hole`: what comes next does not follow on it. */
  private emitPicture(held: Held, nextDecoded: number, nextShown: number, hole: boolean): void {
    const length = Math.max(1, nextDecoded - held.decoded);
    if (!hole && nextShown > held.shown) this.lastDuration = Math.min(length, DURATION_MAX_TICKS);
    this.emit(held, hole ? Math.min(length, this.lastDuration) : length);
  }

  private hold(unit: AccessUnit, shown: number, decoded: number): void {
    if (this.beginsStretch && unit.key) this.beginStretch(unit, decoded);
    this.held = { unit, shown, decoded };
  }

  private pushSound(unit: AccessUnit, shown: number): void {
    const usual = this.usualDuration(unit);
    const { held } = this;
    if (held) {
      const length = shown - held.decoded;
      const heldUsual = this.usualDuration(held.unit);
      this.emit(held, Math.abs(length - heldUsual) > heldUsual / 2 ? heldUsual : length);
    }
    if (shown + usual / 2 < this.end) return;
    const decoded = Math.max(shown, this.end);
    this.hold(unit, decoded, decoded);
  }

  private beginStretch(unit: AccessUnit, ticks: number): void {
    const { format, sourceTicks, arrivedUs } = unit;
    this.format = format;
    this.beginsStretch = false;
    this.sequence = 0;
    const anchor = { sourceTicks, sourceRate: format.sourceRate, ticks, arrivedUs };
    this.options.onStretch({ format, bytes: initHeader(format), anchor });
  }

  private usualDuration(unit: AccessUnit): number {
    const { format, frameBytes } = unit;
    if (format.kind === "video") return this.lastDuration;
    return Math.round(((frameBytes?.length ?? 1) * format.frameSamples * SOUND_TIMESCALE) / format.sampleRate);
  }

  private emit(held: Held, durationTicks: number): void {
    const { unit, decoded } = held;
    this.held = undefined;
    this.last = held;
    this.end = decoded + durationTicks;
    const { key, damaged, lostPackets, arrivedUs, data } = unit;
    const samples = samplesOf(unit, durationTicks);
    const head = this.heads.write({ sequence: ++this.sequence, ticks: decoded, key, compositionOffset: this.order.offset(held), samples });
    const bytes = head.length + data.length;
    const chunk: Chunk = { parts: [head, data], bytes, ticks: decoded, durationTicks, key, damaged, lostPackets, arrivedUs };
    if (unit.untilUs !== undefined) chunk.untilUs = unit.untilUs - this.options.t0Us;
    this.options.onChunk(chunk);
  }
}

/** The frames of a packet share its length evenly. */
function samplesOf({ data, frameBytes }: AccessUnit, durationTicks: number): { bytes: number; durationTicks: number }[] {
  if (!frameBytes) return [{ bytes: data.length, durationTicks }];
  const count = frameBytes.length;
  return frameBytes.map((bytes, index) => ({
    bytes,
    durationTicks: Math.floor((durationTicks * (index + 1)) / count) - Math.floor((durationTicks * index) / count),
  }));
}
