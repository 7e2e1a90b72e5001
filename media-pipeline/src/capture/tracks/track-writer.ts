import { createHash, type Hash } from "node:crypto";
import type { StretchLine } from "../../spool/journal.ts";
import { takeFolder } from "../../spool/take-folder.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Chunk } from "../packager.ts";
import type { SpoolFiles } from "./spool-files.ts";

/** Numbers of a track's next stretch, segment and parcel: zeros in a new take, else what a worker before this one left. */
export interface TrackPosition {
  stretch: number;
  segment: number;
  sequence: number;
}

const SEGMENT_S = 10;
const SEGMENT_MAX_S = 20;
/** Slow cameras are not exact about the length of a picture; more than this is a hole. */
const HOLE_S = 0.25;
/** A parcel travels as one message. */
const PARCEL_MAX_BYTES = 8 * 1024 * 1024;

interface OpenParcel {
  ticks: number;
  durationTicks: number;
  offset: number;
  bytes: number;
  hash: Hash;
  key: boolean;
  damaged: boolean;
}

interface OpenSegment {
  descriptor: number;
  number: number;
  /** Take time at which it began. */
  ticks: number;
  bytes: number;
}

/**
 * Puts a track's chunks into segment files and says in the journal which parcels they make (DECISIONS 6, 11, 12). Parcels
 * last at most 1 s and begin at each key frame; segments end at the first key frame after 10 s, or at 20 s, sound at each
 * 10 s of take time. Throws what the disk says; the parcel that was open then ends with its last whole chunk.
 */
export class TrackWriter {
  private readonly files: SpoolFiles;
  private readonly journal: JournalWriter;
  private readonly folder: string;
  private readonly track: { id: string; number: number; kind: "video" | "audio" };
  private readonly timescale: number;
  private next: TrackPosition;
  private segment: OpenSegment | undefined;
  private parcel: OpenParcel | undefined;

  constructor(options: {
    files: SpoolFiles;
    journal: JournalWriter;
    folder: string;
    track: { id: string; number: number; kind: "video" | "audio" };
    timescale: number;
    position: TrackPosition;
  }) {
    this.files = options.files;
    this.journal = options.journal;
    this.folder = options.folder;
    this.track = options.track;
    this.timescale = options.timescale;
    this.next = { ...options.position };
  }

  /** Writes the initialisation header; what follows belongs to a new stretch. Answers its number. */
  beginStretch(
    header: Buffer,
    facts: Omit<StretchLine, "track" | "stretch" | "headerDigest" | "headerBytes" | "anchor">,
    anchor: Omit<StretchLine["anchor"], "track" | "stretch">,
  ): number {
    this.closeSegment();
    const stretch = this.next.stretch;
    const descriptor = this.files.open(takeFolder.header(this.folder, this.track.id, stretch));
    try {
      this.files.write(descriptor, [header], 0);
      this.files.truncate(descriptor, header.length);
    } finally {
      this.files.close(descriptor);
    }
    const headerDigest = createHash("sha256").update(header).digest("hex");
    const track = this.track.number;
    this.journal.add({
      stretch: { track, stretch, headerDigest, headerBytes: header.length, ...facts, anchor: { track, stretch, ...anchor } },
    });
    this.next.stretch++;
    return stretch;
  }

  write(chunk: Chunk): void {
    if (this.segment && this.cutsSegment(chunk, this.segment)) this.closeSegment();
    else if (this.parcel && this.cutsParcel(chunk, this.parcel)) this.closeParcel(false);
    const segment = (this.segment ??= this.openSegment(chunk.ticks));
    try {
      this.files.write(segment.descriptor, chunk.parts, segment.bytes);
    } catch (error) {
      this.closeSegment();
      throw error;
    }
    const parcel = (this.parcel ??= {
      ticks: chunk.ticks,
      durationTicks: 0,
      offset: segment.bytes,
      bytes: 0,
      hash: createHash("sha256"),
      key: chunk.key,
      damaged: false,
    });
    for (const part of chunk.parts) {
      parcel.hash.update(part);
      parcel.bytes += part.length;
      segment.bytes += part.length;
    }
    parcel.durationTicks = chunk.ticks + chunk.durationTicks - parcel.ticks;
    parcel.damaged ||= chunk.damaged;
  }

  /** A parcel is open: written, and not in the journal yet. */
  get open(): boolean {
    return this.parcel !== undefined;
  }

  closeParcel(closesSegment = false): void {
    const { parcel, segment } = this;
    if (!parcel || !segment) return;
    this.parcel = undefined;
    this.journal.add({
      parcel: {
        track: this.track.number,
        stretch: this.next.stretch - 1,
        sequence: this.next.sequence++,
        ticks: parcel.ticks,
        durationTicks: parcel.durationTicks,
        bytes: parcel.bytes,
        digest: parcel.hash.digest("hex"),
        segment: segment.number,
        offsetInSegment: parcel.offset,
        key: parcel.key,
        damaged: parcel.damaged,
        closesSegment,
      },
    });
  }

  closeSegment(): void {
    this.closeParcel(true);
    const { segment } = this;
    if (!segment) return;
    this.segment = undefined;
    // Segments count without holes: the number of one that nothing could be written into is used again.
    if (segment.bytes === 0) this.next.segment = segment.number;
    try {
      // What a full disk took of a chunk that is not stored.
      this.files.truncate(segment.descriptor, segment.bytes);
    } finally {
      this.files.close(segment.descriptor);
    }
  }

  private cutsSegment(chunk: Chunk, segment: OpenSegment): boolean {
    const length = chunk.ticks - segment.ticks;
    if (length >= SEGMENT_MAX_S * this.timescale) return true;
    const every = SEGMENT_S * this.timescale;
    if (this.track.kind === "audio") return Math.floor(chunk.ticks / every) > Math.floor(segment.ticks / every);
    return chunk.key && length >= every;
  }

  private cutsParcel(chunk: Chunk, parcel: OpenParcel): boolean {
    const end = parcel.ticks + parcel.durationTicks;
    const together = chunk.ticks + chunk.durationTicks - parcel.ticks;
    const apart = Math.abs(chunk.ticks - end) > this.timescale * HOLE_S;
    const heavy = parcel.bytes + chunk.bytes > PARCEL_MAX_BYTES;
    return apart || heavy || together > this.timescale || (chunk.key && this.track.kind === "video");
  }

  private openSegment(ticks: number): OpenSegment {
    const number = this.next.segment;
    const descriptor = this.files.open(takeFolder.segment(this.folder, this.track.id, number));
    this.next.segment++;
    return { descriptor, number, ticks, bytes: 0 };
  }
}
