import { appendFileSync } from "node:fs";
import type { Clock } from "@xiezhi/base/clock.ts";

/** Some megabytes less than a logging library; a worker writes a few lines an hour. Names, numbers and reasons, never secrets. */
export interface WorkerLog {
  write(what: string, facts?: Record<string, string | number | boolean>): void;
}

export function workerLog(file: string, clock: Clock): WorkerLog {
  return {
    write(what, facts = {}) {
      const time = new Date(clock.nowMs()).toISOString();
      try {
        appendFileSync(file, `${JSON.stringify({ level: 30, time, program: "capture", pid: process.pid, ...facts, msg: what })}\n`, {
          mode: 0o600,
        });
      } catch {
        // A full disk must not end the recording of sources that still have room.
      }
    },
  };
}
