import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync, writevSync } from "node:fs";
import { dirname } from "node:path";

/** The few acts on files that recording needs, so that a test can fill the disk. Synchronous: the page cache takes them in microseconds. */
export interface SpoolFiles {
  /** For reading and writing at stated places; makes file and folder where they are missing. */
  open(path: string): number;
  sizeOf(descriptor: number): number;
  /** All of it, at `offset`; throws what the disk says. */
  write(descriptor: number, parts: readonly Buffer[], offset: number): void;
  truncate(descriptor: number, bytes: number): void;
  close(descriptor: number): void;
}

export const spoolFiles: SpoolFiles = {
  open(path) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  },
  sizeOf: (descriptor) => fstatSync(descriptor).size,
  write(descriptor, parts, offset) {
    let wanted = 0;
    for (const part of parts) wanted += part.length;
    const done = writevSync(descriptor, parts, offset);
    if (done < wanted) writeRest(descriptor, Buffer.concat(parts).subarray(done), offset + done);
  },
  truncate: ftruncateSync,
  close: closeSync,
};

/** A full disk takes a part first and refuses the next byte with its reason. */
function writeRest(descriptor: number, rest: Buffer, offset: number): void {
  for (let at = 0; at < rest.length; ) at += writeSync(descriptor, rest, at, rest.length - at, offset + at);
}
