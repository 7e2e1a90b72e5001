import { fileURLToPath } from "node:url";
import type { ProcessSpec } from "@xiezhi/base/processes.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("@xiezhi/media/codec/codec.main.ts"));

/** The codec worker. It goes on for the capture workers when the agent is gone; the next agent's takes its socket over. */
export function codecProcess(socketPath: string, logFile: string, env: Record<string, string>): ProcessSpec {
  const args = [PROGRAM, "--socket", socketPath];
  return { name: "codec", command: process.execPath, args, restart: "always", restartMs: 50, outlives: true, logFile, env };
}

/**
 * What worker processes find prepared: their programs without types, as a start before left them. A worker then does not
 * load the compiler that strips them, which is more than half of its memory.
 */
export function workerEnvironment(cacheFolder: string): Record<string, string> {
  return { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? cacheFolder };
}
