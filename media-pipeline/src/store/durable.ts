import { constants, copyFile, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "@xiezhi/base/files.ts";

/** Bytes of the file; -1: there is none. */
export async function lengthOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return -1;
    throw error;
  }
}

/** Without copying bytes where both lie on one file system. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copyDurably(from, to);
  }
  syncFolder(dirname(to));
}

export async function copyDurably(from: string, to: string): Promise<void> {
  const beside = `${to}.new`;
  await makeFolder(dirname(to));
  await copyFile(from, beside, constants.COPYFILE_FICLONE);
  const handle = await open(beside, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(beside, to);
  syncFolder(dirname(to));
}

/** Makes the folder and those above it, and their names durable. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let at = folder; at.length >= dirname(first).length && at !== dirname(at); at = dirname(at)) syncFolder(at);
}

/** `to` becomes the first `bytes` of `from`, which only grows. */
export async function mirror(from: string, to: string, bytes: number): Promise<void> {
  const have = Math.max(0, await lengthOf(to));
  if (have === bytes) return;
  await makeFolder(dirname(to));
  const source = await open(from, "r");
  const target = await open(to, "a", 0o600);
  try {
    // Longer than it should be: only a torn tail of a process that died can be that.
    if (have > bytes) await target.truncate(0);
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let at = have > bytes ? 0 : have; at < bytes; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
      if (bytesRead === 0) throw new Error(`file ends at ${at}, expected ${bytes} bytes`);
      await target.appendFile(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    await target.datasync();
  } finally {
    await source.close();
    await target.close();
  }
  syncFolder(dirname(to));
}
