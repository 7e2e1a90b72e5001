import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { readExactly } from "@xiezhi/base/files.ts";
import type { ParcelLine } from "./journal.ts";

/** What says where a parcel lies and what it is. */
export type ParcelPlace = Pick<ParcelLine, "offsetInSegment" | "bytes" | "digest">;

/** Are the bytes in the segment file those that were written? */
export function parcelIsThere(segmentFile: string, parcel: ParcelPlace): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(segmentFile, "r");
    const bytes = readExactly(descriptor, parcel.offsetInSegment, parcel.bytes);
    return createHash("sha256").update(bytes).digest("hex") === parcel.digest;
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
