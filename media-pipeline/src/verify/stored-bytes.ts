import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import type { SegmentModel, TakeModel, TrackModel } from "@xiezhi/ledger/model.ts";
import type { Entry, Parcel, StretchStart } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { sha256 } from "../signing.ts";
import { freeBox, type TakeFiles } from "../take-files.ts";
import { PARCEL_MAX_BYTES } from "./order.ts";
import type { ProblemKind, Problems } from "./problems.ts";

/** A parcel whose place holds something else of the same length: another parcel, or changed bytes. */
export interface Stranger {
  track: string;
  atSeconds: number;
  zh: string;
  en: string;
  /** Of what stands there. */
  digest: Uint8Array;
}

interface OpenSegment {
  segment: number;
  /** Undefined: the file is not there. */
  descriptor: number | undefined;
  bytes: number;
  expected: SegmentModel | undefined;
  wrong: { parcel: Parcel; digest: Uint8Array | undefined }[];
}

/**
 * Whether headers and segments hold what the ledger entered. Entries are given in ledger order; one file a track is open and
 * one parcel in memory.
 */
export class StoredBytes {
  private readonly files: TakeFiles;
  private readonly problems: Problems;
  private readonly tracks: Map<number, TrackModel>;
  private readonly lost: Map<number, Map<number, "gap" | "deletion">>;
  private readonly open = new Map<number, OpenSegment>();
  private buffer = Buffer.allocUnsafe(1024 * 1024);
  /** Of the parcels that hold what was entered. */
  bytes = 0;
  /** To be told by whoever knows all digests of the take; at most one a segment. */
  readonly strangers: Stranger[] = [];

  constructor(files: TakeFiles, model: TakeModel, problems: Problems) {
    this.files = files;
    this.problems = problems;
    this.tracks = new Map(model.tracks.map((track) => [track.number, track]));
    this.lost = new Map(
      model.tracks.map((track) => [
        track.number,
        new Map(track.segments.flatMap(({ lostParcels }) => lostParcels.map(({ sequence, why }) => [sequence, why]))),
      ]),
    );
  }

  add(entry: Entry): void {
    if (entry.what.case === "stretchStart") this.header(entry.what.value, Number(entry.takeUs) / 1e6);
    else if (entry.what.case === "parcel") this.parcel(entry.what.value);
  }

  finish(): void {
    for (const [number, segment] of this.open) this.close(this.tracks.get(number) as TrackModel, segment);
    this.open.clear();
  }

  private header(stretch: StretchStart, atSeconds: number): void {
    const track = this.tracks.get(stretch.track);
    if (!track) return;
    const where = { track: track.id, atSeconds };
    const bytes = contents(() => this.files.header(track.id, stretch.stretch));
    if (!bytes)
      this.problems.add("removed", where, `缺少段落 ${stretch.stretch} 的文件头`, `the header of stretch ${stretch.stretch} is missing`);
    else if (bytes.length !== stretch.headerBytes || !sameBytes(sha256(bytes), stretch.headerDigest))
      this.problems.add(
        "changed",
        where,
        `段落 ${stretch.stretch} 的文件头被改动`,
        `the header of stretch ${stretch.stretch} is not the one that was entered`,
      );
  }

  private parcel(parcel: Parcel): void {
    const track = this.tracks.get(parcel.track);
    if (!track || parcel.bytes > PARCEL_MAX_BYTES) return;
    let open = this.open.get(parcel.track);
    if (open?.segment !== parcel.segment) {
      if (open) this.close(track, open);
      open = this.openSegment(track, parcel.segment);
      this.open.set(parcel.track, open);
    }
    if (open.descriptor === undefined) return;
    const found = this.read(open.descriptor, parcel.offsetInSegment, parcel.bytes);
    const digest = found && sha256(found);
    if (digest && sameBytes(digest, parcel.digest)) this.bytes += parcel.bytes;
    else if (!(found && this.lost.get(parcel.track)?.has(Number(parcel.sequence)) && found.equals(freeBox(parcel.bytes))))
      open.wrong.push({ parcel, digest });
  }

  private openSegment(track: TrackModel, segment: number): OpenSegment {
    const usual = track.segments[segment];
    const expected = usual?.segment === segment ? usual : track.segments.find((it) => it.segment === segment);
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.files.segment(track.id, segment), "r");
    } catch {
      descriptor = undefined;
    }
    return { segment, descriptor, bytes: descriptor === undefined ? 0 : fstatSync(descriptor).size, expected, wrong: [] };
  }

  private close(track: TrackModel, open: OpenSegment): void {
    const { expected, wrong, segment } = open;
    const seconds = (ticks: number | bigint) => Number(ticks) / track.timescale;
    if (open.descriptor === undefined) {
      if (expected && expected.lostParcels.length > expected.lastSequence - expected.firstSequence) return;
      const atSeconds = seconds(expected?.fromTicks ?? 0);
      this.problems.add(
        "removed",
        { track: track.id, atSeconds },
        `缺少文件 ${segment}`,
        `segment ${segment} is missing and no gap declares it`,
      );
      return;
    }
    closeSync(open.descriptor);
    const first = wrong[0];
    const tooLong = open.bytes - (expected?.bytes ?? 0);
    if (!first && tooLong > 0) {
      const where = { track: track.id, atSeconds: seconds(expected?.toTicks ?? 0) };
      this.problems.add(
        "inserted",
        where,
        `文件 ${segment} 末尾多出 ${tooLong} 字节`,
        `segment ${segment} has ${tooLong} bytes after its last parcel`,
      );
    }
    if (!first) return;
    const where = { track: track.id, atSeconds: seconds(first.parcel.ticks) };
    const which = { zh: `文件 ${segment} 第 ${first.parcel.sequence} 包`, en: `segment ${segment}, parcel ${first.parcel.sequence}` };
    const more =
      wrong.length > 1
        ? { zh: `（该文件另有 ${wrong.length - 1} 包）`, en: ` (and ${wrong.length - 1} more in this segment)` }
        : { zh: "", en: "" };
    const say = (what: ProblemKind, zh: string, en: string) =>
      this.problems.add(what, where, `${which.zh}${zh}${more.zh}`, `${which.en}: ${en}${more.en}`);
    if (!first.digest) say("cutOff", "起被截去", "the file ends before it");
    else if (tooLong < 0) say("removed", `处缺少 ${-tooLong} 字节`, `${-tooLong} bytes were taken out`);
    else if (tooLong > 0) say("inserted", `处多出 ${tooLong} 字节`, `${tooLong} bytes were put in`);
    else this.strangers.push({ ...where, zh: `${which.zh}${more.zh}`, en: `${which.en}${more.en}`, digest: first.digest });
  }

  /** Valid until the next call. Undefined: the file ends before. */
  private read(descriptor: number, offset: number, bytes: number): Buffer | undefined {
    if (this.buffer.length < bytes) this.buffer = Buffer.allocUnsafe(bytes);
    let done = 0;
    while (done < bytes) {
      const got = readSync(descriptor, this.buffer, done, bytes - done, offset + done);
      if (got === 0) return undefined;
      done += got;
    }
    return this.buffer.subarray(0, bytes);
  }
}

function contents(file: () => string): Buffer | undefined {
  try {
    return readFileSync(file());
  } catch {
    return undefined;
  }
}
