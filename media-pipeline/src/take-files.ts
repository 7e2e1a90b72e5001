import { join } from "node:path";
import { inside } from "@xiezhi/base/files.ts";
import type { SegmentModel, TrackModel } from "@xiezhi/ledger/model.ts";
import { takeFolder } from "./spool/take-folder.ts";

/** Where the files of a take lie that prove and play it: in a spool, in a hub's store, in an export (FORMAT.md). */
export interface TakeFiles {
  ledger: string;
  checkpoints: string;
  /** The C2SP verifier key line of the room that signed. Not in a spool. */
  verifierKey: string;
  header(trackId: string, stretch: number): string;
  segment(trackId: string, segment: number): string;
}

/** A take's folder in a spool, or an export: tracks lie in `tracks/`. Track ids that are no plain names throw RangeError. */
export function takeFilesIn(folder: string): TakeFiles {
  return {
    ledger: takeFolder.ledger(folder),
    checkpoints: takeFolder.checkpoints(folder),
    verifierKey: join(folder, "verifier-key"),
    header: (trackId, stretch) => takeFolder.header(folder, trackId, stretch),
    segment: (trackId, segment) => takeFolder.segment(folder, trackId, segment),
  };
}

/** A take in a hub's store: tracks lie beside the ledger. */
export function storedTakeFilesIn(folder: string): TakeFiles {
  return {
    ledger: join(folder, "ledger"),
    checkpoints: join(folder, "checkpoints"),
    verifierKey: join(folder, "verifier-key"),
    header: (trackId, stretch) => inside(folder, trackId, `${stretch}.init.mp4`),
    segment: (trackId, segment) => inside(folder, trackId, `${String(segment).padStart(6, "0")}.m4s`),
  };
}

/**
 * What stands in a finished segment in the place of a lost or lawfully deleted parcel: a `free` box of its length, zeros
 * within (ISO/IEC 14496-12 8.1.2). So every other parcel stays where the ledger says, and players pass over it.
 */
export function freeBox(bytes: number): Buffer {
  const box = Buffer.alloc(bytes);
  if (bytes < 8) return box;
  box.writeUInt32BE(bytes, 0);
  box.write("free", 4, "latin1");
  return box;
}

/** Those that must exist: a segment of which every parcel is lost need not. */
export function storedSegments(track: TrackModel): SegmentModel[] {
  return track.segments.filter(({ lostParcels, firstSequence, lastSequence }) => lostParcels.length <= lastSequence - firstSequence);
}
