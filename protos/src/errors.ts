/**
 * The one error type. `code` is canonical gRPC and decides about retries; `reason` is stable (module + fact) and is what
 * callers may compare; texts are for people and never compared.
 */
export class XiezhiError extends Error {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly zh: string;
  readonly en: string;
  readonly details: Readonly<Record<string, string>>;

  constructor(refusal: Refusal) {
    super(`${refusal.reason}: ${refusal.en}`);
    this.name = "XiezhiError";
    this.code = refusal.code;
    this.reason = refusal.reason;
    this.zh = refusal.zh;
    this.en = refusal.en;
    this.details = refusal.details ?? {};
  }
}

/** Canonical gRPC codes by name; numbers as in google.rpc.Code. */
export const errorCodes = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type ErrorCode = keyof typeof errorCodes;

export interface Refusal {
  code: ErrorCode;
  reason: string;
  zh: string;
  en: string;
  /** What is missing, what next: field names and values, never secrets. */
  details?: Readonly<Record<string, string>>;
}

type Templates = Record<string, (...args: never[]) => Omit<Refusal, "reason"> & { reason: string }>;
type Errors<T extends Templates> = { [K in keyof T]: (...args: Parameters<T[K]>) => XiezhiError };

/** All refusals of a module, in both languages; `reason` gets the module's prefix. */
export function defineErrors<T extends Templates>(prefix: string, templates: T): Errors<T> {
  const made: Record<string, (...args: never[]) => XiezhiError> = {};
  for (const [name, template] of Object.entries(templates))
    made[name] = (...args) => {
      const refusal = template(...args);
      return new XiezhiError({ ...refusal, reason: `${prefix}_${refusal.reason}` });
    };
  return made as Errors<T>;
}

export function isXiezhiError(error: unknown): error is XiezhiError {
  return error instanceof XiezhiError;
}

/** The other end may be asked again later: the link or the far end is away, nothing was decided. */
export function isTransient(error: unknown): boolean {
  return isXiezhiError(error) && (error.code === "UNAVAILABLE" || error.code === "DEADLINE_EXCEEDED" || error.code === "ABORTED");
}
