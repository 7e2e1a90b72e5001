import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { UplinkService } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import type { CentralCopy } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { CallDialer } from "@xiezhi/rpc/call.ts";
import { type Client, clientOf, type Link, type LinkTls, openLink } from "@xiezhi/rpc/client.ts";
import type { Door, Implementation } from "@xiezhi/rpc/service.ts";
import type { SpooledTake } from "../recording/recording.model.ts";
import { TakeLanes } from "./take-lanes.ts";

const PING_MS = 2_000;
const BACK_OFF_MS = { first: 250, most: 5_000 };
/** Bytes under way in the bytes lane: enough to fill a fast link, little enough that the newest parcel soon has its turn. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** What the hub could not take now is tried again after this. */
const AGAIN_MS = 1_000;
/** Signatures and ended takes are looked for this often, whatever was told. */
const LOOK_EACH_MS = 1_000;

/** The spool, as far as the uplink needs it. */
export interface TakesSource {
  takes(): readonly SpooledTake[];
  onEntries(listener: (takeId: string) => void): () => void;
  markUploaded(takeId: string): Promise<void>;
}

export interface UplinkOptions {
  clock: Clock;
  log: Log;
  hub: { host: string; port: number; tls: LinkTls };
  takes: TakesSource;
  /** The room's public key, C2SP verifier key line. */
  verifierKey: string;
  /** Stands before what the hub calls. */
  door: Door;
}

/** The room's links to the hub: entries in order, bytes newest first, and two connections over which the hub calls. Nothing of it can stop a recording. */
export class Uplink {
  private readonly options: UplinkOptions;
  private dialers: CallDialer[] = [];
  private readonly lanes = new Map<string, TakeLanes>();
  private readonly stopping = new AbortController();
  private readonly listeners = new Set<() => void>();
  private connected = false;
  private sinceMs: number;
  private nudge: () => void = () => {};
  private running: Promise<void> | undefined;
  private unsubscribe: (() => void) | undefined;
  private timer: Timer | undefined;

  constructor(options: UplinkOptions) {
    this.options = options;
    this.sinceMs = options.clock.nowMs();
  }

  /** Begins to send, and to be called: `serve` is what the hub may call over the connections that the room dials. */
  start(serve: readonly Implementation[]): void {
    const { clock, log, hub, door, takes } = this.options;
    this.dialers = (["xiezhi-call", "xiezhi-live"] as const).map(
      (protocol) => new CallDialer({ clock, log, hub, protocol, implementations: serve, door }),
    );
    for (const dialer of this.dialers) dialer.start();
    this.unsubscribe = takes.onEntries(() => this.nudge());
    this.timer = clock.every(LOOK_EACH_MS, () => this.nudge());
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error("shutting down"));
    this.unsubscribe?.();
    this.timer?.cancel();
    this.nudge();
    for (const dialer of this.dialers) dialer.stop();
    await this.running;
  }

  /** How much of what the room holds is at the hub too. */
  status(): CentralCopy {
    const now = this.options.clock.nowMs();
    let pieces = 0;
    let oldestMs = now;
    for (const lanes of this.takeLanes()) {
      const behind = lanes.behind();
      pieces += behind.pieces;
      oldestMs = Math.min(oldestMs, behind.oldestMs ?? now);
    }
    const { connected, sinceMs } = this;
    return {
      $typeName: "xiezhi.rooms.v1.CentralCopy",
      connected,
      sinceMs: BigInt(sinceMs),
      parcelsBehind: BigInt(pieces),
      secondsBehind: (now - oldestMs) / 1e3,
    };
  }

  /** Called when the link comes or goes. Returns the way to stop it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async run(): Promise<void> {
    const { clock, log, hub } = this.options;
    let backOffMs = BACK_OFF_MS.first;
    while (!this.stopping.signal.aborted) {
      const link = openLink(hub, { maxMessageBytes: 4 << 20, pingIntervalMs: PING_MS, pingTimeoutMs: PING_MS });
      try {
        await this.session(link);
      } catch (error) {
        const why = isXiezhiError(error) ? error.reason : String(error);
        if (!this.stopping.signal.aborted) log.info({ why }, "uplink lost");
      } finally {
        link.close();
      }
      if (this.connected) backOffMs = BACK_OFF_MS.first;
      this.tell(false);
      await clock.sleep(backOffMs, this.stopping.signal).catch(() => {});
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS.most);
    }
  }

  /** Both lanes over one connection, until either ends. */
  private async session(link: Link): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    for (const lanes of this.lanes.values()) lanes.reconnected();
    const client = clientOf(UplinkService, link);
    const entries = new Turn(signal);
    const bytes = new Turn(signal);
    this.nudge = () => {
      entries.wake();
      bytes.wake();
    };
    const ending = (lane: Promise<void>) => lane.finally(() => over.abort(new Error("the other lane has ended")));
    const results = await Promise.allSettled([
      ending(this.entriesLane(client, entries, signal)),
      ending(this.bytesLane(client, bytes, signal)),
    ]);
    for (const result of results) if (result.status === "rejected" && !over.signal.aborted) throw result.reason;
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  private async entriesLane(client: Client<typeof UplinkService>, turn: Turn, signal: AbortSignal): Promise<void> {
    const opened = new Set<string>();
    const requests = async function* (this: Uplink) {
      for (; !signal.aborted; await turn.next()) {
        for (const lanes of this.takeLanes()) {
          if (!opened.has(lanes.takeId)) {
            opened.add(lanes.takeId);
            yield { what: { case: "open" as const, value: { takeId: lanes.takeId, verifierKey: this.options.verifierKey } } };
          }
          const batch = await lanes.nextBatch();
          if (batch)
            yield {
              what: {
                case: "batch" as const,
                value: {
                  ...batch,
                  takeId: lanes.takeId,
                  first: BigInt(batch.first),
                  checkpoints: batch.checkpoints.map((note) => Buffer.from(note)),
                },
              },
            };
        }
      }
    };
    // Something to hear even with no take at all: a stream whose headers have come is a link that lives.
    const answers = client.sendEntries(requests.call(this), { signal, onHeader: () => this.tell(true) });
    for await (const { takeId, size, held } of answers) {
      this.tell(true);
      const lanes = this.lanes.get(takeId);
      if (!lanes) continue;
      if (lanes.hubSize === undefined) lanes.opened(Number(size), held);
      else lanes.entered(Number(size));
      await this.finishIfWhole(lanes);
      this.nudge();
    }
  }

  private async bytesLane(client: Client<typeof UplinkService>, turn: Turn, signal: AbortSignal): Promise<void> {
    const underWay = new Map<string, number>();
    let windowBytes = 0;
    const landed = (takeId: string, index: number) => {
      const key = `${takeId} ${index}`;
      windowBytes -= underWay.get(key) ?? 0;
      underWay.delete(key);
    };
    const requests = async function* (this: Uplink) {
      for (; !signal.aborted; await turn.next()) {
        for (let next = this.nextPiece(); windowBytes < WINDOW_BYTES && next; next = this.nextPiece()) {
          const { lanes, index } = next;
          const isHeader = lanes.isHeader(index);
          const data = await lanes.bytesOf(index).catch((error: unknown) => this.unreadable(lanes, index, error));
          if (!data) continue;
          underWay.set(`${lanes.takeId} ${index}`, data.length);
          windowBytes += data.length;
          const what = isHeader ? { case: "header" as const, value: BigInt(index) } : { case: "parcel" as const, value: BigInt(index) };
          yield { takeId: lanes.takeId, what, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
          if (windowBytes >= WINDOW_BYTES) break;
        }
      }
    };
    for await (const { takeId, held, refused } of client.sendParcels(requests.call(this), { signal })) {
      const lanes = this.lanes.get(takeId);
      for (const index of held) {
        landed(takeId, Number(index));
        lanes?.settle(Number(index));
      }
      for (const { index, reason, again } of refused) {
        landed(takeId, Number(index));
        this.options.log.warn({ take: takeId, index: Number(index), reason }, "the hub did not take a parcel");
        if (again)
          this.options.clock.after(AGAIN_MS, () => {
            lanes?.again(Number(index));
            this.nudge();
          });
      }
      if (lanes) await this.finishIfWhole(lanes);
      turn.wake();
    }
  }

  private nextPiece(): { lanes: TakeLanes; index: number } | undefined {
    // The running take is the youngest: its parcels go before the back-fill of older ones.
    for (const lanes of this.takeLanes().reverse()) {
      const index = lanes.nextPiece();
      if (index !== undefined) return { lanes, index };
    }
    return undefined;
  }

  private takeLanes(): TakeLanes[] {
    const takes = this.options.takes.takes();
    const present = new Set(takes.map(({ takeId }) => takeId));
    for (const takeId of this.lanes.keys()) if (!present.has(takeId)) this.lanes.delete(takeId);
    return takes.map((take) => {
      const lanes = this.lanes.get(take.takeId) ?? new TakeLanes(take);
      lanes.update(take);
      this.lanes.set(take.takeId, lanes);
      return lanes;
    });
  }

  private async finishIfWhole(lanes: TakeLanes): Promise<void> {
    this.takeLanes();
    if (await lanes.isWhole()) await this.options.takes.markUploaded(lanes.takeId);
  }

  private unreadable(lanes: TakeLanes, index: number, error: unknown): undefined {
    this.options.log.error({ err: error, take: lanes.takeId, index }, "a parcel can't be read from the spool");
    this.options.clock.after(AGAIN_MS, () => lanes.again(index));
  }

  private tell(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.sinceMs = this.options.clock.nowMs();
    for (const listener of this.listeners) listener();
  }
}

/** A lane's sleep: ends when there may be something to send. */
class Turn {
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
