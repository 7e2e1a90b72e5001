import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";

/** Small files that must survive a power cut: written beside, synced, renamed, folder synced. */
export async function writeDurably(file: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const beside = `${file}.${randomUUID()}.new`;
  await fs.mkdir(dirname(file), { recursive: true });
  const handle = await fs.open(beside, "wx", mode);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(beside, file);
  syncFolder(dirname(file));
}

/** Makes a creation, rename or removal in `folder` durable. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The file's text, or undefined where there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Exactly `length` bytes at `offset`, or an error that says how many were there. */
export function readExactly(descriptor: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const got = readSync(descriptor, bytes, done, length - done, offset + done);
    if (got === 0) throw new Error(`file ends at ${offset + done}, expected ${offset + length} bytes`);
    done += got;
  }
  return bytes;
}

/**
 * A path below `folder` from names that came from outside. Refuses anything but plain names: no separators, no dots first,
 * no control characters.
 */
export function inside(folder: string, ...names: string[]): string {
  for (const name of names)
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name))
      throw new RangeError(`not a plain file name: ${JSON.stringify(name.slice(0, 40))}`);
  const path = resolve(join(folder, ...names));
  if (!path.startsWith(resolve(folder) + sep)) throw new RangeError("path leaves its folder");
  return path;
}
