import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { Processes, ProcessSpec } from "@xiezhi/base/processes.ts";

const LOOK_MS = 20;
/** A process that does not listen after this is taken for dead. */
const LISTEN_US = 10e6;
/** What lived longer did not fail at its start: it is started again at once. */
const LIVED_US = 10e6;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5_000;

export interface KeeperOptions {
  spec: Omit<ProcessSpec, "restart" | "outlives">;
  clock: Clock;
  log: Log;
  processes: Processes;
  /** Connects to the process's socket; resolves when it listens, and `closed` when that connection is over. Rejects otherwise. */
  attach(): Promise<{ closed: Promise<void> }>;
}

/**
 * A process that outlives this one: an agent before may have started it. It is found on its socket, else started, and found
 * or started again whenever the connection is gone.
 */
export class Keeper {
  private readonly options: KeeperOptions;
  private stopping = false;
  private running: Promise<void> | undefined;

  constructor(options: KeeperOptions) {
    this.options = options;
  }

  start(): void {
    this.running ??= this.keep();
  }

  /** Does not end the process, only the care for it. Its connection must be closed by the caller. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  private async keep(): Promise<void> {
    const { clock, log, spec } = this.options;
    let backoffMs = BACKOFF_MIN_MS;
    while (!this.stopping) {
      const sinceUs = clock.monoUs();
      const attached = (await this.tryAttach()) ?? (await this.launch());
      await attached?.closed;
      if (this.stopping) return;
      log.warn({ process: spec.name }, attached ? "connection to the process is gone" : "the process does not listen");
      if (clock.monoUs() - sinceUs > LIVED_US) backoffMs = BACKOFF_MIN_MS;
      else await clock.sleep(backoffMs);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }

  private async launch(): Promise<{ closed: Promise<void> } | undefined> {
    const { clock, log, spec, processes } = this.options;
    // One that has just died is still in the list for an instant.
    for (let i = 0; i < 50 && processes.pid(spec.name) !== undefined && !this.stopping; i++) await clock.sleep(LOOK_MS);
    if (this.stopping) return undefined;
    try {
      if (processes.pid(spec.name) === undefined) processes.start({ ...spec, restart: "never", outlives: true });
    } catch (error) {
      log.error({ err: error, process: spec.name }, "the process can't be started");
      return undefined;
    }
    for (const endUs = clock.monoUs() + LISTEN_US; clock.monoUs() < endUs && !this.stopping; await clock.sleep(LOOK_MS)) {
      const attached = await this.tryAttach();
      if (attached) return attached;
      if (processes.pid(spec.name) === undefined) return undefined;
    }
    return undefined;
  }

  private async tryAttach(): Promise<{ closed: Promise<void> } | undefined> {
    try {
      return await this.options.attach();
    } catch {
      return undefined;
    }
  }
}
