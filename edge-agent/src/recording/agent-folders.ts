import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** sun_path holds 108 bytes (unix(7)). */
const UNIX_PATH_MAX = 100;
const FOLDERS = ["spool", "run", "keys", "logs", "cache"] as const;

/** Where an agent keeps what of its recording. */
export class AgentFolders {
  private readonly state: string;

  constructor(stateFolder: string) {
    this.state = stateFolder;
  }

  make(): void {
    for (const name of FOLDERS) mkdirSync(this.of(name), { recursive: true, mode: 0o700 });
  }

  of(name: (typeof FOLDERS)[number]): string {
    return join(this.state, name);
  }

  get lock(): string {
    return join(this.state, "lock");
  }

  /** The socket of a process. Under the state folder if that is not too deep for a unix socket. */
  socket(process: string): string {
    const path = join(this.of("run"), `${process}.sock`);
    if (Buffer.byteLength(path) < UNIX_PATH_MAX) return path;
    const room = createHash("sha256").update(this.state).digest("hex").slice(0, 12);
    return join(tmpdir(), `xiezhi-${room}-${process}.sock`);
  }
}
