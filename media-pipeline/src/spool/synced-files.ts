import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "@xiezhi/base/files.ts";

/** Files that another process writes and this one makes durable. Each stays open as long as it grows. */
export class SyncedFiles {
  private readonly handles = new Map<string, FileHandle>();

  /** All of them in parallel; with a file that was not there before its folder too. Answers which of them do not exist. */
  async sync(files: Iterable<string>): Promise<Set<string>> {
    const folders = new Set<string>();
    const missing = new Set<string>();
    await Promise.all(
      [...files].map(async (file) => {
        const handle = this.handles.get(file) ?? (await this.open(file));
        if (!handle) return missing.add(file);
        if (!this.handles.has(file)) folders.add(dirname(file));
        this.handles.set(file, handle);
        return handle.datasync();
      }),
    );
    for (const folder of folders) syncFolder(folder);
    return missing;
  }

  private async open(file: string): Promise<FileHandle | undefined> {
    try {
      return await open(file, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** It will not grow any more. */
  async release(file: string): Promise<void> {
    const handle = this.handles.get(file);
    this.handles.delete(file);
    await handle?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.handles.keys()].map((file) => this.release(file)));
  }
}
