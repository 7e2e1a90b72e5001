import { type JournalLine, readLines } from "../../spool/journal.ts";
import { takeFolder } from "../../spool/take-folder.ts";
import type { SpoolFiles } from "./spool-files.ts";
import { readExactly } from "@xiezhi/base/files.ts";

/** Lines that wait for a disk that is full; a worker with eight sources writes some twenty a second. */
const WAITING_MAX = 100_000;

/** The worker's end of its journal. Lines that the disk does not take wait in order and are tried again with the next one. */
export class JournalWriter {
  /** Something was written since this was last set to false. */
  grew = false;
  private readonly files: SpoolFiles;
  private readonly path: string;
  private descriptor = -1;
  private bytes = 0;
  private waiting: Buffer[] = [];

  constructor(files: SpoolFiles, folder: string, workerId: string) {
    this.files = files;
    this.path = takeFolder.journal(folder, workerId);
  }

  add(line: JournalLine): void {
    if (this.waiting.length < WAITING_MAX) this.waiting.push(Buffer.from(`${JSON.stringify(line)}\n`));
    this.flush();
  }

  /** False: the disk refused; nothing is lost, call again later. */
  flush(): boolean {
    try {
      if (this.descriptor < 0) this.open();
      if (this.waiting.length === 0) return true;
      this.files.write(this.descriptor, this.waiting, this.bytes);
      for (const line of this.waiting) this.bytes += line.length;
      this.waiting = [];
      this.grew = true;
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.flush();
    if (this.descriptor >= 0) this.files.close(this.descriptor);
    this.descriptor = -1;
  }

  /** Behind the last complete line: a worker before this one may have died in the middle of one. */
  private open(): void {
    const descriptor = this.files.open(this.path);
    try {
      this.bytes = readLines(readExactly(descriptor, 0, this.files.sizeOf(descriptor))).bytes;
      this.files.truncate(descriptor, this.bytes);
    } catch (error) {
      this.files.close(descriptor);
      throw error;
    }
    this.descriptor = descriptor;
  }
}
