import { join } from "node:path";
import { inside } from "@xiezhi/base/files.ts";

/** Where things lie in a take's folder (FORMAT.md). Segment and header files have the names that they will have in the store. */
export const takeFolder = {
  ledger: (folder: string) => join(folder, "ledger"),
  checkpoints: (folder: string) => join(folder, "checkpoints"),
  /** The hub holds all of it: not offered again. */
  uploaded: (folder: string) => join(folder, "uploaded"),
  journals: (folder: string) => join(folder, "journal"),
  journal: (folder: string, workerId: string) => inside(join(folder, "journal"), `${workerId}.ndjson`),
  tracks: (folder: string) => join(folder, "tracks"),
  track: (folder: string, trackId: string) => inside(join(folder, "tracks"), trackId),
  header: (folder: string, trackId: string, stretch: number) => inside(join(folder, "tracks"), trackId, `${stretch}.init.mp4`),
  segment: (folder: string, trackId: string, segment: number) =>
    inside(join(folder, "tracks"), trackId, `${String(segment).padStart(6, "0")}.m4s`),
};
