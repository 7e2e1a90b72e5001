import { readFileSync } from "node:fs";

/** Changes with each start of the machine; monotonic times are comparable within one only. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
