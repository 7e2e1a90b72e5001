import { isXiezhiError } from "@xiezhi/protos/errors.ts";

/** Not done, for a reason that whoever typed the command can change: no fault of ours. */
export class Refusal extends Error {}

/** A failed command says in a line what went wrong; the stack is for faults of ours only. */
export function printFailure(error: unknown): void {
  process.exitCode = 1;
  process.stderr.write(`${wordsOf(error)}\n`);
}

function wordsOf(error: unknown): string {
  if (isXiezhiError(error)) return `${error.reason}: ${error.zh} / ${error.en}`;
  if (error instanceof Refusal) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
