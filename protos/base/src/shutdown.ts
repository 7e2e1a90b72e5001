import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

const PARENT_LOOK_MS = 250;

type Close = () => void | Promise<void>;

/** Closes what was opened, newest first, once; a close that fails does not keep the others open. */
export class Shutdown {
  readonly signal: AbortSignal;
  private readonly abort = new AbortController();
  private readonly closers: { name: string; close: Close }[] = [];
  private running: Promise<void> | undefined;
  private readonly log: Log;

  constructor(log: Log) {
    this.log = log;
    this.signal = this.abort.signal;
  }

  add(name: string, close: Close): void {
    this.closers.push({ name, close });
  }

  run(): Promise<void> {
    this.running ??= this.closeAll();
    return this.running;
  }

  /** Ends the process in good order on SIGINT, SIGTERM and SIGHUP, however often they come: npm repeats a terminal's Ctrl-C. */
  onSignals(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => {
        this.log.info({ signal }, "stopping");
        void this.run().then(() => process.exit(0));
      });
  }

  /** Ends the process too when the one that started it is gone: killed, it could end nobody, and the next one starts its own. */
  withParent(clock: Clock): void {
    const parent = process.ppid;
    const watch = clock.every(PARENT_LOOK_MS, () => {
      if (process.ppid !== parent) void this.run().then(() => process.exit(0));
    });
    this.add("parent", () => watch.cancel());
  }

  private async closeAll(): Promise<void> {
    this.abort.abort(new Error("shutting down"));
    for (const { name, close } of this.closers.reverse()) {
      try {
        await close();
      } catch (error) {
        this.log.error({ err: error, what: name }, "could not close");
      }
    }
  }
}
