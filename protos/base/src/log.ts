import pino from "pino";

/** What every part logs with. Secrets never reach it: log names and counts, not messages from outside. */
export type Log = pino.Logger;

const SECRET_KEYS = ["password", "pin", "token", "secret", "authorization", "cookie", "privateKey"];

export interface LogOptions {
  /** Where lines go: a file that is appended to, else stderr. */
  file?: string;
  level?: string;
}

/** One logger a program; parts take a child of it: `log.child({ part: "uplink" })`. */
export function createLog(program: string, options: LogOptions = {}): Log {
  return pino(
    {
      name: program,
      level: options.level ?? "info",
      base: { program, pid: process.pid },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]), censor: "***" },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: options.file ?? 2, sync: true, mkdir: true }),
  );
}

/** For tests and for programs whose output is their result. */
export const silentLog: Log = pino({ level: "silent" });
