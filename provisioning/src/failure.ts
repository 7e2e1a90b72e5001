import { isXiezhiError } from "@xiezhi/protos/errors.ts";

/** A failed command says in a line what went wrong; the stack is for faults of ours only. */
export function printFailure(error: unknown): void {
  process.exitCode = 1;
  const words = isXiezhiError(error)
    ? `${error.reason}: ${error.zh} / ${error.en}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${words}\n`);
}
