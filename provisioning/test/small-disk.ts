import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PIECE = Buffer.alloc(1 << 20);

/** A disk of its own that can really be filled. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** In memory; why not, where this user may not mount. */
  static mount(megabytes: number): SmallDisk | string {
    const folder = mkdtempSync(join(tmpdir(), "xz-disk-"));
    const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=700`, "xz-disk", folder]);
    if (status === 0) return new SmallDisk(folder);
    rmdirSync(folder);
    return `no disk of its own can be mounted here: ${error?.message ?? String(stderr).trim()}`;
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.filler, "w");
    try {
      for (let length = PIECE.length; length > 0; )
        try {
          writeSync(file, PIECE, 0, length);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          length >>= 1;
        }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.filler);
  }

  unmount(): void {
    spawnSync("umount", [this.folder]);
    rmdirSync(this.folder);
  }

  private get filler(): string {
    return join(this.folder, "filler");
  }
}
