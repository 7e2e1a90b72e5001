import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "@xiezhi/base/files.ts";
import type { ClipIndex } from "@xiezhi/drivers/sim/clips.ts";

/** Writes the bytes, then the index beside it by a rename: whoever finds an index finds a whole clip. */
export async function writeClip(
  folder: string,
  name: string,
  extension: string,
  index: Omit<ClipIndex, "bytes">,
  bytes: Buffer,
): Promise<void> {
  const bytesFile = `${name}.${extension}`;
  await writeFile(join(folder, bytesFile), bytes);
  const beside = join(folder, `${name}.json.new`);
  await writeFile(beside, `${JSON.stringify({ ...index, bytes: bytesFile })}\n`);
  await rename(beside, join(folder, `${name}.json`));
}

/** Whether the clip is there and was made by this recipe. */
export async function isMade(folder: string, name: string, recipe: string): Promise<boolean> {
  const text = await readIfThere(join(folder, `${name}.json`));
  return text !== undefined && (JSON.parse(text) as ClipIndex).recipe === recipe;
}
