import { type FileHandle, open } from "node:fs/promises";
import { type JournalLine, readLines } from "./journal.ts";

const PIECE_BYTES = 256 * 1024;

/** The agent's end of a journal: reads on where it stopped, while the worker writes. */
export class JournalReader {
  readonly file: string;
  private handle: FileHandle | undefined;
  private at = 0;

  constructor(file: string) {
    this.file = file;
  }

  /** The next complete lines, some thousand at most (`more`: there are others); `advance` makes them read. */
  async peek(): Promise<{ lines: JournalLine[]; bytes: number; more: boolean }> {
    const handle = (this.handle ??= await open(this.file, "r"));
    for (let size = PIECE_BYTES; ; size *= 2) {
      const piece = Buffer.allocUnsafe(size);
      const { bytesRead } = await handle.read(piece, 0, size, this.at);
      const found = readLines(piece.subarray(0, bytesRead));
      if (found.bytes > 0 || bytesRead < size) return { ...found, more: bytesRead === size };
    }
  }

  advance(bytes: number): void {
    this.at += bytes;
  }

  async sync(): Promise<void> {
    await this.handle?.datasync();
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = undefined;
  }
}
