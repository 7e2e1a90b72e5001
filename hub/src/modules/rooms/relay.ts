import type { Clock } from "@xiezhi/base/clock.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";

/**
 * An act that was sent and not answered has perhaps been done. `act` gets a signal that ends it; where the answer, or the first
 * part of it, does not come within `withinMs`, or the link breaks, `unconfirmed` is thrown.
 */
export async function confirmed<T>(
  clock: Clock,
  withinMs: number,
  unconfirmed: () => Error,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.after(withinMs, () => late.abort(unconfirmed()));
  try {
    return await act(late.signal);
  } catch (error) {
    throw meaning(error, late.signal, unconfirmed);
  } finally {
    timer.cancel();
  }
}

/** As `confirmed` for an answer in steps: only the first one is waited for, then a broken link leaves the act unconfirmed. */
export async function* confirmedSteps<T>(
  clock: Clock,
  withinMs: number,
  unconfirmed: () => Error,
  act: (signal: AbortSignal) => AsyncIterable<T>,
): AsyncGenerator<T, void> {
  const late = new AbortController();
  const timer = clock.after(withinMs, () => late.abort(unconfirmed()));
  try {
    for await (const step of act(late.signal)) {
      timer.cancel();
      yield step;
    }
  } catch (error) {
    throw meaning(error, late.signal, unconfirmed);
  } finally {
    timer.cancel();
  }
}

/** What the room refused stays its refusal; what the link did says nothing about the act. */
function meaning(error: unknown, late: AbortSignal, unconfirmed: () => Error): unknown {
  if (late.aborted) return late.reason;
  if (isXiezhiError(error) && (error.reason.startsWith("RPC_") || error.code === "UNKNOWN")) return unconfirmed();
  return error;
}
