import { z } from "zod";
import { Secret } from "./secret.ts";

interface Bounds {
  min?: number;
  max?: number;
  default?: number;
}

/** The kinds of configuration value; each says in a sentence what it is for. Units stand in the key's name. */
export const field = {
  text: (about: string, options: { default?: string } = {}) => defaulted(z.string().min(1), options.default).describe(about),
  url: (about: string, options: { default?: string } = {}) => defaulted(z.url(), options.default).describe(about),
  folder: (about: string, options: { default?: string } = {}) => defaulted(z.string().min(1), options.default).describe(about),
  flag: (about: string, options: { default?: boolean } = {}) => defaulted(z.stringbool().or(z.boolean()), options.default).describe(about),
  int: (about: string, bounds: Bounds = {}) =>
    defaulted(
      z.coerce
        .number()
        .int()
        .min(bounds.min ?? 0)
        .max(bounds.max ?? Number.MAX_SAFE_INTEGER),
      bounds.default,
    ).describe(about),
  secret: (about: string) => z.union([z.string().transform((text) => new Secret(text)), z.instanceof(Secret)]).describe(about),
  optional: <T extends z.ZodType>(type: T) => type.optional(),
  list: <T extends z.ZodType>(about: string, type: T) => z.array(type).describe(about),
};

function defaulted<T extends z.ZodType>(type: T, value: z.input<T> | undefined): T {
  return (value === undefined ? type : type.default(value as never)) as unknown as T;
}

/** A closed set of keys: an unknown one is refused, so a misspelt setting can't be ignored silently. */
export function config<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape);
}

export type ConfigOf<T extends z.ZodType> = z.output<T>;

/** Reads once, in `main.ts`. The error names each wrong key and what was expected. */
export function readConfig<T extends z.ZodType>(schema: T, raw: unknown, where: string): z.output<T> {
  const read = schema.safeParse(raw);
  if (read.success) return read.data;
  const lines = read.error.issues.map((issue) => `  ${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new Error(`configuration of ${where} is refused:\n${lines.join("\n")}`);
}
