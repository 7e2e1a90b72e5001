import type { XiezhiError } from "@xiezhi/protos/errors.ts";

/** What a page knows of something: never a value without the time when it was proven (UTC ms on the page's clock). */
export type Seen<T> =
  | { state: "loading" }
  | { state: "refused"; error: XiezhiError }
  | { state: "live"; value: T; provenAtMs: number }
  | { state: "stale"; value: T | undefined; sinceMs: number; error: XiezhiError | undefined };

const decided: ReadonlySet<string> = new Set([
  "PERMISSION_DENIED",
  "NOT_FOUND",
  "UNAUTHENTICATED",
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
]);

/** The server decided; asking again gives the same answer. All else is a link or a machine in trouble. */
export function isRefusal(error: XiezhiError): boolean {
  return decided.has(error.code);
}

export function valueOf<T>(seen: Seen<T>): T | undefined {
  return seen.state === "live" || seen.state === "stale" ? seen.value : undefined;
}
