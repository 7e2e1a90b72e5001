import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@xiezhi/base/log.ts";
import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { takeFolder } from "@xiezhi/media/spool/take-folder.ts";
import type { SpooledTake } from "./recording.model.ts";

/** What lies in the spool that the hub does not wholly hold, oldest first (ids sort by time). A folder that tells nothing is left alone. */
export function findTakes(spoolFolder: string, log: Log): SpooledTake[] {
  if (!existsSync(spoolFolder)) return [];
  return readdirSync(spoolFolder)
    .sort()
    .flatMap((takeId) => {
      const folder = join(spoolFolder, takeId);
      if (existsSync(takeFolder.uploaded(folder)) || !existsSync(takeFolder.ledger(folder))) return [];
      try {
        return lookInto(takeId, folder);
      } catch (error) {
        log.error({ take: takeId, err: error }, "a take in the spool can't be read");
        return [];
      }
    });
}

function lookInto(takeId: string, folder: string): SpooledTake[] {
  let size = 0;
  let ended = false;
  for (const { entry } of readEntries(takeFolder.ledger(folder))) {
    size++;
    if (entry.what.case === "end") ended = true;
  }
  return size > 0 ? [{ takeId, folder, size, ended }] : [];
}
