import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** SHA-256 and length of a whole file, piece by piece. Throws what the disk says. */
export function digestOfFile(file: string): { bytes: number; sha256: string } {
  const descriptor = openSync(file, "r");
  try {
    const hash = createHash("sha256");
    const piece = Buffer.allocUnsafe(1024 * 1024);
    let bytes = 0;
    for (let got = readSync(descriptor, piece); got > 0; got = readSync(descriptor, piece)) {
      hash.update(piece.subarray(0, got));
      bytes += got;
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    closeSync(descriptor);
  }
}
