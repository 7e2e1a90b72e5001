import type { Entry, Gap, Parcel, StretchStart, TakeStart } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

/** Bytes that a ledger entry names: a parcel in its segment, or a stretch's header, which is a file of its own. */
export interface Piece {
  /** Of the entry. */
  index: number;
  trackId: string;
  header: boolean;
  /** Segment of a parcel, stretch of a header. */
  file: number;
  offset: number;
  bytes: number;
  digest: Uint8Array;
  /** Take time of its end, microseconds. */
  endUs: number;
}

export interface Segment {
  trackId: string;
  segment: number;
  /** Its length when all is there. */
  bytes: number;
  pieces: Piece[];
  closed: boolean;
}

/** States of an entry; 0: it names no bytes. */
const KNOWN = 1;
const HELD = 2;
const LOST = 3;

const PIECE_MAX_BYTES = 16 << 20;
const SEGMENT_MAX_BYTES = 1 << 30;

interface TrackState {
  id: string;
  timescale: number;
  /** Entry index of each parcel by sequence. */
  parcels: number[];
  open: Segment | undefined;
}

/**
 * Which bytes a ledger names and which of them are held: pure bookkeeping over entries in order. A parcel is known, held or a
 * declared loss; a segment is whole when it is closed and nothing of it is awaited.
 */
export class Pieces {
  private states = new Uint8Array(1024);
  private size = 0;
  private readonly tracks = new Map<number, TrackState>();
  private readonly awaited = new Map<number, Piece>();
  private readonly segments = new Map<string, Segment>();
  private readonly headers = new Set<Piece>();
  /** Everything before it is held, lost or no piece. */
  private settled = 0;
  private readonly endsUs = new Map<number, number>();
  counts = { known: 0, held: 0, lost: 0 };
  /** Largest take time that is held with all before it, microseconds. */
  heldThroughUs = 0;
  ended = false;
  private readonly heldBefore: ReadonlySet<number>;

  /** `heldBefore`: indices that an earlier process has made durable. */
  constructor(heldBefore: ReadonlySet<number> = new Set()) {
    this.heldBefore = heldBefore;
  }

  /** Entries must come in ledger order, from 0. */
  add({ what }: Entry): void {
    const index = this.size++;
    if (index >= this.states.length) this.states = grown(this.states);
    if (what.case === "takeStart") this.begin(what.value);
    else if (what.case === "stretchStart") this.addHeader(index, what.value);
    else if (what.case === "parcel") this.addParcel(index, what.value);
    else if (what.case === "gap") this.lose(what.value.track, what.value.lostParcels);
    else if (what.case === "deletion") this.loseRange(what.value.track, what.value.firstSequence, what.value.lastSequence);
    else if (what.case === "end") this.end();
    this.settle();
  }

  /** The piece of that entry while it is awaited. */
  get(index: number): Piece | undefined {
    return this.awaited.get(index);
  }

  isHeld(index: number): boolean {
    return this.states[index] === HELD;
  }

  hold(index: number): void {
    const piece = this.awaited.get(index);
    if (!piece) return;
    this.states[index] = HELD;
    this.awaited.delete(index);
    if (!piece.header) this.counts.held++;
    this.settle();
  }

  /** What need not be sent, as ranges [from, to) of entry indices; entries that name no bytes are in them, so that ranges are few. */
  heldRanges(): { from: number; to: number }[] {
    const ranges: { from: number; to: number }[] = [];
    for (let index = 0; index < this.size; index++) {
      if (this.states[index] === KNOWN) continue;
      const last = ranges.at(-1);
      if (last?.to === index) last.to++;
      else ranges.push({ from: index, to: index + 1 });
    }
    return ranges;
  }

  /** Segments that are whole now; each is handed out until `drop`. */
  whole(): Segment[] {
    return [...this.segments.values()].filter(({ closed, pieces }) => closed && pieces.every(({ index }) => this.states[index] !== KNOWN));
  }

  /** Headers that are held; each is handed out until `dropHeader`. */
  wholeHeaders(): Piece[] {
    return [...this.headers].filter(({ index }) => this.states[index] === HELD);
  }

  /** Parts of the segment that will never come. */
  lostOf({ pieces }: Segment): Piece[] {
    return pieces.filter(({ index }) => this.states[index] === LOST);
  }

  drop(segment: Segment): void {
    this.segments.delete(keyOf(segment.trackId, segment.segment));
  }

  dropHeader(piece: Piece): void {
    this.headers.delete(piece);
  }

  /** The take has ended, nothing of it is awaited, and everything was dropped. */
  get done(): boolean {
    return this.ended && this.awaited.size === 0 && this.segments.size === 0 && this.headers.size === 0;
  }

  private begin({ tracks }: TakeStart): void {
    for (const { number, id, timescale } of tracks) this.tracks.set(number, { id, timescale, parcels: [], open: undefined });
  }

  private addHeader(index: number, { track, stretch, headerBytes, headerDigest }: StretchStart): void {
    const state = this.tracks.get(track);
    if (!state || headerBytes > PIECE_MAX_BYTES) return;
    const piece = { index, trackId: state.id, header: true, file: stretch, offset: 0, bytes: headerBytes, digest: headerDigest, endUs: 0 };
    this.headers.add(piece);
    this.await(piece);
  }

  private addParcel(index: number, parcel: Parcel): void {
    const track = this.tracks.get(parcel.track);
    if (!track) return;
    const { segment: file, offsetInSegment: offset, bytes, digest } = parcel;
    const segment = this.segmentOf(track, file);
    // What lies over another parcel, or far away, is never placed: it stays known, and is told so.
    if (offset < segment.bytes || bytes > PIECE_MAX_BYTES || offset + bytes > SEGMENT_MAX_BYTES) return;
    const endUs = ((Number(parcel.ticks) + parcel.durationTicks) / track.timescale) * 1e6;
    const piece = { index, trackId: track.id, header: false, file, offset, bytes, digest, endUs };
    track.parcels[Number(parcel.sequence)] = index;
    segment.pieces.push(piece);
    segment.bytes = offset + bytes;
    if (parcel.closesSegment) segment.closed = true;
    this.counts.known++;
    this.endsUs.set(index, endUs);
    this.await(piece);
  }

  private segmentOf(track: TrackState, file: number): Segment {
    if (track.open?.segment === file) return track.open;
    if (track.open) track.open.closed = true;
    track.open = { trackId: track.id, segment: file, bytes: 0, pieces: [], closed: false };
    this.segments.set(keyOf(track.id, file), track.open);
    return track.open;
  }

  private await(piece: Piece): void {
    this.states[piece.index] = KNOWN;
    this.awaited.set(piece.index, piece);
    if (this.heldBefore.has(piece.index)) this.hold(piece.index);
  }

  private lose(track: number, sequences: readonly (Gap["lostParcels"][number] | number)[]): void {
    for (const sequence of sequences) {
      const index = this.tracks.get(track)?.parcels[Number(sequence)];
      if (index === undefined || !this.awaited.delete(index)) continue;
      this.states[index] = LOST;
      this.counts.lost++;
    }
  }

  private loseRange(track: number, first: bigint, last: bigint): void {
    const end = Math.min(Number(last), (this.tracks.get(track)?.parcels.length ?? 0) - 1);
    for (let sequence = Number(first); sequence <= end; sequence++) this.lose(track, [sequence]);
  }

  private end(): void {
    this.ended = true;
    for (const { open } of this.tracks.values()) if (open) open.closed = true;
  }

  private settle(): void {
    for (; this.settled < this.size && this.states[this.settled] !== KNOWN; this.settled++) {
      const endUs = this.endsUs.get(this.settled);
      if (endUs === undefined) continue;
      this.endsUs.delete(this.settled);
      if (this.states[this.settled] === HELD) this.heldThroughUs = Math.max(this.heldThroughUs, endUs);
    }
  }
}

function keyOf(trackId: string, segment: number): string {
  return `${trackId}/${segment}`;
}

function grown(states: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(states.length * 2);
  larger.set(states);
  return larger;
}
