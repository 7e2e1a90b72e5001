import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { UplinkService } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import { type Client, clientOf, type Link } from "@xiezhi/rpc/client.ts";

const BACK_OFF_MS = { first: 250, most: 5_000 };

export interface LaneOptions {
  name: string;
  clock: Clock;
  log: Log;
  dial(): Link;
  /** One connection's life: `up` is called when the hub has answered. Ends or throws when the connection does. */
  session(connection: { client: Client<typeof UplinkService>; turn: Turn; signal: AbortSignal; up: () => void }): Promise<void>;
  /** Told of each session's end. */
  ended(error: unknown): void;
}

/** One connection to the hub that is made again whenever it is lost. Lanes do not wait for each other. */
export class Lane {
  private readonly options: LaneOptions;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private turn: Turn | undefined;
  private answered = false;

  constructor(options: LaneOptions) {
    this.options = options;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error("shutting down"));
    await this.running;
  }

  /** There may be something to send. */
  nudge(): void {
    this.turn?.wake();
  }

  private async run(): Promise<void> {
    const { clock } = this.options;
    let backOffMs = BACK_OFF_MS.first;
    while (!this.stopping.signal.aborted) {
      this.answered = false;
      await this.once();
      if (this.answered) backOffMs = BACK_OFF_MS.first;
      await clock.sleep(backOffMs, this.stopping.signal).catch(() => {});
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS.most);
    }
  }

  private async once(): Promise<void> {
    const { dial, session, ended, log, name } = this.options;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    const turn = new Turn(signal);
    this.turn = turn;
    const link = dial();
    let failure: unknown = new Error("the hub has ended it");
    try {
      const up = () => {
        this.answered = true;
      };
      await session({ client: clientOf(UplinkService, link), turn, signal, up });
    } catch (error) {
      failure = error;
    }
    over.abort(failure);
    link.close();
    if (!this.stopping.signal.aborted) log.info({ lane: name, why: String(failure) }, "uplink lost");
    ended(failure);
  }
}

/** A lane's sleep: ends when there may be something to send. */
export class Turn {
  private due = false;
  private resolve: () => void = () => {};

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.wake(), { once: true });
  }

  wake(): void {
    this.due = true;
    this.resolve();
  }

  async next(): Promise<void> {
    if (!this.due)
      await new Promise<void>((resolve) => {
        this.resolve = resolve;
      });
    this.due = false;
  }
}
