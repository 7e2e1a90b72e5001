import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { isTransient, isXiezhiError } from "@xiezhi/protos/errors.ts";
import type { SendEntriesRequestSchema, SendParcelsRequestSchema } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import type { CentralCopy } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { CallDialer } from "@xiezhi/rpc/call.ts";
import { type LinkTls, openLink } from "@xiezhi/rpc/client.ts";
import type { Door, Implementation } from "@xiezhi/rpc/service.ts";
import type { SpooledTake } from "../recording/recording.model.ts";
import { Lane, type LaneOptions, type Turn } from "./lane.ts";
import { TakeLanes } from "./take-lanes.ts";

type EntriesRequest = MessageInitShape<typeof SendEntriesRequestSchema>;
type ParcelsRequest = MessageInitShape<typeof SendParcelsRequestSchema>;
type Connection = Parameters<LaneOptions["session"]>[0];

const PING_MS = 2_000;
/** Bytes under way in the bytes lane: enough to fill a fast link, little enough that the newest parcel soon has its turn. */
const WINDOW_BYTES = 4 << 20;
/** What the hub could not take now is tried again after this. */
const AGAIN_MS = 1_000;
/** A take that the hub refuses, and bytes that the spool can't give, are tried again after this. */
const MUCH_LATER_MS = 30_000;
/** Signatures and ended takes are looked for this often, whatever was told. */
const LOOK_EACH_MS = 1_000;

/** The spool, as far as the uplink needs it. */
export interface TakesSource {
  takes(): readonly SpooledTake[];
  onEntries(listener: (takeId: string) => void): () => void;
  markUploaded(takeId: string): Promise<void>;
}

interface UplinkOptions {
  clock: Clock;
  log: Log;
  hub: { host: string; port: number; tls: LinkTls };
  takes: TakesSource;
  /** The room's public key, C2SP verifier key line. */
  verifierKey: string;
  /** Stands before what the hub calls. */
  door: Door;
}

/**
 * The room's links to the hub: entries in order, bytes newest first, and two connections over which the hub calls. Each is a
 * connection of its own and comes back by itself; nothing of it can stop a recording.
 */
export class Uplink {
  private readonly options: UplinkOptions;
  private readonly lanes: { entries: Lane; bytes: Lane };
  private dialers: CallDialer[] = [];
  private readonly takes = new Map<string, TakeLanes>();
  private readonly listeners = new Set<() => void>();
  private connected = false;
  private sinceMs: number;
  private unsubscribe: (() => void) | undefined;
  private readonly timers = new Set<Timer>();

  constructor(options: UplinkOptions) {
    const { clock, log, hub } = options;
    this.options = options;
    this.sinceMs = clock.nowMs();
    const dial = () => openLink(hub, { pingMs: PING_MS, clock });
    this.lanes = {
      entries: new Lane({
        name: "entries",
        clock,
        log,
        dial,
        session: (connection) => this.sendEntries(connection),
        ended: (error) => this.entriesEnded(error),
      }),
      bytes: new Lane({
        name: "bytes",
        clock,
        log,
        dial,
        session: (connection) => this.sendBytes(connection),
        ended: () => this.bytesEnded(),
      }),
    };
  }

  /** Begins to send, and to be called: `serve` is what the hub may call over the connections that the room dials. */
  start(serve: readonly Implementation[]): void {
    const { clock, log, hub, door, takes } = this.options;
    this.dialers = (["xiezhi-call", "xiezhi-live"] as const).map(
      (protocol) => new CallDialer({ clock, log, hub, protocol, implementations: serve, door }),
    );
    for (const dialer of this.dialers) dialer.start();
    this.unsubscribe = takes.onEntries(() => this.nudge());
    this.timers.add(clock.every(LOOK_EACH_MS, () => this.nudge()));
    this.lanes.entries.start();
    this.lanes.bytes.start();
  }

  async stop(): Promise<void> {
    this.unsubscribe?.();
    for (const dialer of this.dialers) dialer.stop();
    await Promise.all([this.lanes.entries.stop(), this.lanes.bytes.stop()]);
    for (const timer of this.timers) timer.cancel();
  }

  /** How much of what the room holds is at the hub too. */
  status(): CentralCopy {
    const now = this.options.clock.nowMs();
    let pieces = 0;
    let oldestMs = now;
    for (const take of this.takeLanes()) {
      const behind = take.behind();
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

  private nudge(): void {
    this.lanes.entries.nudge();
    this.lanes.bytes.nudge();
  }

  private async sendEntries({ client, turn, signal, up }: Connection): Promise<void> {
    for (const take of this.takes.values()) take.reconnected();
    const alive = () => {
      up();
      this.tell(true);
    };
    // The stream's headers come also with no take at all: a link that lives.
    for await (const { takeId, size, held } of client.sendEntries(this.entriesRequests(turn, signal), { signal, onHeader: alive })) {
      alive();
      const take = this.takes.get(takeId);
      if (!take) continue;
      if (take.hubSize === undefined) take.opened(Number(size), held);
      else take.entered(Number(size));
      if (take.hubIsAhead) this.refusedTake(take, "the hub has entries that this room has lost");
      await this.finishIfWhole(take);
      this.nudge();
    }
  }

  private async *entriesRequests(turn: Turn, signal: AbortSignal): AsyncGenerator<EntriesRequest> {
    const opened = new Set<string>();
    for (; !signal.aborted; await turn.next())
      for (const take of this.takeLanes()) {
        const { takeId } = take;
        if (take.refused) continue;
        if (!opened.has(takeId)) {
          opened.add(takeId);
          yield { what: { case: "open", value: { takeId, verifierKey: this.options.verifierKey } } };
        }
        const batch = await take.nextBatch();
        if (!batch) continue;
        const checkpoints = batch.checkpoints.map((note) => Buffer.from(note));
        yield { what: { case: "batch", value: { takeId, first: BigInt(batch.first), entries: batch.entries, checkpoints } } };
      }
  }

  private entriesEnded(error: unknown): void {
    this.tell(false);
    if (!isXiezhiError(error) || isTransient(error)) return;
    const take = this.takes.get(error.details.takeId ?? "");
    if (take) this.refusedTake(take, error.reason);
  }

  /** One take that the hub will not have keeps no other from going up. */
  private refusedTake(take: TakeLanes, why: string): void {
    this.options.log.error({ alarm: "TAKE_REFUSED", take: take.takeId, why }, "a take can't go up");
    take.refused = true;
    this.later(MUCH_LATER_MS, () => {
      take.refused = false;
    });
  }

  private async sendBytes({ client, turn, signal, up }: Connection): Promise<void> {
    const window = { bytes: 0 };
    for await (const { takeId, held, refused } of client.sendParcels(this.bytesRequests(window, turn, signal), { signal, onHeader: up })) {
      const take = this.takes.get(takeId);
      if (!take) continue;
      for (const index of held) {
        window.bytes -= take.landed(Number(index));
        take.settle(Number(index));
      }
      for (const { index, reason, again } of refused) {
        window.bytes -= take.landed(Number(index));
        this.options.log.warn({ take: takeId, index: Number(index), reason }, "the hub did not take a parcel");
        if (again) this.sendAgain(take, Number(index), AGAIN_MS);
      }
      await this.finishIfWhole(take);
      turn.wake();
    }
  }

  private async *bytesRequests(window: { bytes: number }, turn: Turn, signal: AbortSignal): AsyncGenerator<ParcelsRequest> {
    for (; !signal.aborted; await turn.next())
      while (window.bytes < WINDOW_BYTES) {
        const next = this.nextPiece();
        if (!next) break;
        const { take, index } = next;
        const data = await take.bytesOf(index).catch((error: unknown) => this.unreadable(take, index, error));
        if (!data) continue;
        window.bytes += take.underWay(index, data.length);
        yield {
          takeId: take.takeId,
          what: { case: take.isHeader(index) ? "header" : "parcel", value: BigInt(index) },
          data,
        };
      }
  }

  /** Whether what was under way has arrived is not known: it is sent again, and the hub keeps one. */
  private bytesEnded(): void {
    for (const take of this.takes.values()) take.bytesLost();
  }

  private sendAgain(take: TakeLanes, index: number, afterMs: number): void {
    this.later(afterMs, () => {
      take.again(index);
      this.nudge();
    });
  }

  private later(ms: number, fn: () => void): void {
    const timer = this.options.clock.after(ms, () => {
      this.timers.delete(timer);
      fn();
    });
    this.timers.add(timer);
  }

  private unreadable(take: TakeLanes, index: number, error: unknown): undefined {
    this.options.log.error({ err: error, take: take.takeId, index }, "a parcel can't be read from the spool");
    this.sendAgain(take, index, MUCH_LATER_MS);
  }

  private nextPiece(): { take: TakeLanes; index: number } | undefined {
    // The running take is the youngest: its parcels go before the back-fill of older ones.
    for (const take of this.takeLanes().reverse()) {
      const index = take.nextPiece();
      if (index !== undefined) return { take, index };
    }
    return undefined;
  }

  private takeLanes(): TakeLanes[] {
    const spooled = this.options.takes.takes();
    const present = new Set(spooled.map(({ takeId }) => takeId));
    for (const takeId of this.takes.keys()) if (!present.has(takeId)) this.takes.delete(takeId);
    return spooled.map((take) => {
      const lanes = this.takes.get(take.takeId) ?? new TakeLanes(take);
      lanes.update(take);
      this.takes.set(take.takeId, lanes);
      return lanes;
    });
  }

  private async finishIfWhole(take: TakeLanes): Promise<void> {
    this.takeLanes();
    if (await take.isWhole()) await this.options.takes.markUploaded(take.takeId);
  }

  private tell(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.sinceMs = this.options.clock.nowMs();
    for (const listener of this.listeners) listener();
  }
}
