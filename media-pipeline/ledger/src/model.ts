import {
  type End,
  type Entry,
  type Gap,
  type InterruptionReason,
  type Parcel,
  type TakeStart,
  type Track,
  TrackKind,
} from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { EntryReader } from "./entries.ts";

/**
 * What a ledger says, for those who show, copy or play a take. Memory grows with segments, not with parcels. It trusts the
 * entries: whether they are the signed ones is verify's affair.
 */
export interface TakeModel {
  /** Entries read. */
  size: number;
  start: TakeStart | undefined;
  /** UTC ms of tick 0. */
  startUtcMs: number;
  tracks: TrackModel[];
  marks: MarkModel[];
  interruptions: InterruptionModel[];
  end: (End & { takeUs: number }) | undefined;
  /** Take time of the latest parcel's end, mark or end: how long the take is as far as the ledger tells, microseconds. */
  lengthUs: number;
}

export interface TrackModel {
  number: number;
  id: string;
  kind: "video" | "audio";
  deviceId: string;
  seatId: string;
  label: string;
  /** Ticks a second. */
  timescale: number;
  stretches: StretchModel[];
  segments: SegmentModel[];
  gaps: GapModel[];
  /** Of the parcels that can be had. */
  parcels: number;
  bytes: number;
  durationTicks: number;
}

export interface StretchModel {
  stretch: number;
  codec: string;
  width: number;
  height: number;
  channels: number;
  headerBytes: number;
}

export interface SegmentModel {
  segment: number;
  stretch: number;
  /** Take time of its first unit and of its last one's end, in ticks of the track. */
  fromTicks: number;
  toTicks: number;
  /** Of its parcels; less than from first to last where time is missing between them. */
  durationTicks: number;
  /** Of the finished file. */
  bytes: number;
  firstSequence: number;
  lastSequence: number;
  /** Its last parcel said so, or the track went on to another: nothing will be added. */
  closed: boolean;
  /** Parcels that were entered and can't be had. */
  lostParcels: LostParcel[];
}

export interface LostParcel {
  sequence: number;
  offset: number;
  bytes: number;
  durationTicks: number;
  why: "gap" | "deletion";
}

export interface GapModel {
  fromUs: number;
  toUs: number;
  parts: { cause: Gap["parts"][number]["cause"]; fromUs: number; toUs: number }[];
  lostPackets: number;
}

export interface MarkModel {
  id: string;
  type: string;
  text: string;
  userName: string;
  takeUs: number;
  utcMs: number;
}

export interface InterruptionModel {
  id: string;
  reason: InterruptionReason;
  decidedBy: string;
  fromUs: number;
  /** Absent: still interrupted. */
  toUs: number | undefined;
}

/** The model of a whole ledger file, or of its beginning: a torn tail is passed over. Throws RangeError at bytes that are no entry. */
export function readLedger(bytes: Uint8Array): TakeModel {
  const builder = new TakeModelBuilder();
  for (const { entry } of new EntryReader().push(bytes)) builder.add(entry);
  return builder.model;
}

/** Grows a model entry by entry, in ledger order. Entries of unknown tracks are passed over. */
export class TakeModelBuilder {
  readonly model: TakeModel = {
    size: 0,
    start: undefined,
    startUtcMs: 0,
    tracks: [],
    marks: [],
    interruptions: [],
    end: undefined,
    lengthUs: 0,
  };
  private readonly byNumber = new Map<number, TrackModel>();
  /** Where each parcel lies: any of them may still be declared lost. */
  private readonly places = new Map<number, ParcelPlaces>();

  add(entry: Entry): void {
    const { model } = this;
    const takeUs = Number(entry.takeUs);
    model.size++;
    const { what } = entry;
    switch (what.case) {
      case "takeStart":
        this.begin(what.value);
        break;
      case "stretchStart": {
        const { stretch, codec, width, height, channels, headerBytes } = what.value;
        this.byNumber.get(what.value.track)?.stretches.push({ stretch, codec, width, height, channels, headerBytes });
        break;
      }
      case "parcel":
        this.addParcel(what.value);
        break;
      case "gap":
        this.addGap(what.value);
        break;
      case "deletion":
        for (let sequence = what.value.firstSequence; sequence <= what.value.lastSequence; sequence++)
          if (!this.lose(what.value.track, Number(sequence), "deletion")) break;
        break;
      case "mark": {
        const { markId, type, text, userName } = what.value;
        model.marks.push({ id: markId, type, text, userName, takeUs, utcMs: Number(entry.utcMs) });
        break;
      }
      case "interruption": {
        const { interruptionId, reason, decidedBy, ends } = what.value;
        const open = model.interruptions.find((other) => other.id === interruptionId && other.toUs === undefined);
        if (ends && open) open.toUs = takeUs;
        else if (!ends) model.interruptions.push({ id: interruptionId, reason, decidedBy, fromUs: takeUs, toUs: undefined });
        break;
      }
      case "end":
        model.end = { ...what.value, takeUs };
        for (const track of model.tracks) for (const segment of track.segments) segment.closed = true;
        break;
      default:
        return;
    }
    if (!model.end || what.case === "end") model.lengthUs = Math.max(model.lengthUs, takeUs);
  }

  private begin(start: TakeStart): void {
    const { model } = this;
    model.start = start;
    model.startUtcMs = Math.floor(Number(start.utcUs) / 1000);
    for (const track of start.tracks) {
      const made = trackModel(track);
      model.tracks.push(made);
      this.byNumber.set(track.number, made);
      this.places.set(track.number, new ParcelPlaces());
    }
  }

  private addParcel(parcel: Parcel): void {
    const track = this.byNumber.get(parcel.track);
    if (!track) return;
    const fromTicks = Number(parcel.ticks);
    const toTicks = fromTicks + parcel.durationTicks;
    const sequence = Number(parcel.sequence);
    let segment = track.segments.at(-1);
    if (segment?.segment !== parcel.segment) {
      if (segment) segment.closed = true;
      segment = {
        segment: parcel.segment,
        stretch: parcel.stretch,
        fromTicks,
        toTicks,
        durationTicks: 0,
        bytes: 0,
        firstSequence: sequence,
        lastSequence: sequence,
        closed: false,
        lostParcels: [],
      };
      track.segments.push(segment);
    }
    segment.toTicks = toTicks;
    segment.durationTicks += parcel.durationTicks;
    segment.bytes = parcel.offsetInSegment + parcel.bytes;
    segment.lastSequence = sequence;
    segment.closed = parcel.closesSegment;
    track.parcels++;
    track.bytes += parcel.bytes;
    track.durationTicks += parcel.durationTicks;
    this.places.get(parcel.track)?.push(parcel);
    this.model.lengthUs = Math.max(this.model.lengthUs, (toTicks / track.timescale) * 1e6);
  }

  private addGap(gap: Gap): void {
    this.byNumber.get(gap.track)?.gaps.push({
      fromUs: Number(gap.fromUs),
      toUs: Number(gap.toUs),
      parts: gap.parts.map(({ cause, fromUs, toUs }) => ({ cause, fromUs: Number(fromUs), toUs: Number(toUs) })),
      lostPackets: gap.lostPackets,
    });
    for (const sequence of gap.lostParcels) this.lose(gap.track, Number(sequence), "gap");
  }

  /** False: there is no such parcel. */
  private lose(number: number, sequence: number, why: LostParcel["why"]): boolean {
    const track = this.byNumber.get(number);
    const place = this.places.get(number)?.at(sequence);
    const segment = track && segmentWith(track.segments, sequence);
    if (!track || !place || !segment) return false;
    if (segment.lostParcels.some((lost) => lost.sequence === sequence)) return true;
    segment.lostParcels.push({ sequence, ...place, why });
    segment.lostParcels.sort((a, b) => a.sequence - b.sequence);
    track.parcels--;
    track.bytes -= place.bytes;
    track.durationTicks -= place.durationTicks;
    segment.durationTicks -= place.durationTicks;
    return true;
  }
}

/** Sequences grow from segment to segment. */
function segmentWith(segments: readonly SegmentModel[], sequence: number): SegmentModel | undefined {
  let [from, to] = [0, segments.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((segments[middle] as SegmentModel).lastSequence < sequence) from = middle + 1;
    else to = middle;
  }
  const found = segments[from];
  return found && found.firstSequence <= sequence ? found : undefined;
}

const FACTS = 3;

/** Twelve bytes a parcel: sequence counts from 0 without holes, so it is the index. */
class ParcelPlaces {
  private facts = new Uint32Array(1024 * FACTS);
  private count = 0;

  push(parcel: Parcel): void {
    if (Number(parcel.sequence) !== this.count) return;
    const at = this.count * FACTS;
    if (at === this.facts.length) {
      const grown = new Uint32Array(this.facts.length * 2);
      grown.set(this.facts);
      this.facts = grown;
    }
    this.facts.set([parcel.offsetInSegment, parcel.bytes, parcel.durationTicks], at);
    this.count++;
  }

  at(sequence: number): { offset: number; bytes: number; durationTicks: number } | undefined {
    if (!(sequence >= 0 && sequence < this.count)) return undefined;
    const [offset = 0, bytes = 0, durationTicks = 0] = this.facts.subarray(sequence * FACTS, sequence * FACTS + FACTS);
    return { offset, bytes, durationTicks };
  }
}

function trackModel(track: Track): TrackModel {
  return {
    number: track.number,
    id: track.id,
    kind: track.kind === TrackKind.VIDEO ? "video" : "audio",
    deviceId: track.deviceId,
    seatId: track.seatId,
    label: track.label,
    timescale: Math.max(1, track.timescale),
    stretches: [],
    segments: [],
    gaps: [],
    parcels: 0,
    bytes: 0,
    durationTicks: 0,
  };
}
