import { text } from "node:stream/consumers";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { storedTakeFilesIn, takeFilesIn } from "../take-files.ts";
import { makeReadingCopy } from "./reading-copy.ts";

/**
 * Makes a reading copy in a process of its own. Standard input: one `ReadingCopyOrder` as JSON; standard output: one
 * `ReadingCopyAnswer` as JSON. Exit code 0 when it was made.
 */
export interface ReadingCopyOrder {
  /** The take's folder. */
  folder: string;
  /** Where tracks lie in it: as in a hub's store, or as in a spool or export. */
  layout: "store" | "spool";
  /** The file to make, its folder being there. */
  to: string;
}

export type ReadingCopyAnswer =
  | { ok: true; bytes: number; sha256: string; seconds: number; tracks: number; missingSegments: number }
  | { ok: false; reason: string; message: string };

const answer = await answerTo(JSON.parse(await text(process.stdin)) as ReadingCopyOrder);
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exitCode = answer.ok ? 0 : 1;

async function answerTo({ folder, layout, to }: ReadingCopyOrder): Promise<ReadingCopyAnswer> {
  try {
    const files = layout === "store" ? storedTakeFilesIn(folder) : takeFilesIn(folder);
    return { ok: true, ...(await makeReadingCopy(files, to)) };
  } catch (error) {
    return { ok: false, reason: isXiezhiError(error) ? error.reason : "READING_COPY_FAILED", message: (error as Error).message };
  }
}
