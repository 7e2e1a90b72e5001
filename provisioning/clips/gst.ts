import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Runs `gst-launch-1.0` with its words given one by one, never by a shell. `input` goes to its fd 0; its stdout is the answer. */
export async function gstLaunch(words: string[], input: Iterable<Buffer> = []): Promise<Buffer> {
  const child = spawn("gst-launch-1.0", ["-q", ...words], { stdio: ["pipe", "pipe", "pipe"] });
  const output: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => output.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => complaints.push(bytes));
  const ended = once(child, "close");
  try {
    await pipeline(Readable.from(input), child.stdin);
  } catch {
    // it ended before it had read all: its exit code and stderr say why
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`gst-launch-1.0 failed: ${Buffer.concat(complaints).toString().trim() || `exit ${code}`}`);
  return Buffer.concat(output);
}
