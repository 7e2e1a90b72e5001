import type { Clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { EntryInit } from "@xiezhi/ledger/entries.ts";
import type { TrackTick } from "@xiezhi/media/capture/wire.ts";
import { bootId } from "@xiezhi/media/spool/boot.ts";
import { TakeSpool, type TakeSpoolOptions } from "@xiezhi/media/spool/take-spool.ts";
import { GapCause, type InterruptionReason, TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { Actor, RoomTrack, RunningTake, StartTake, TakeMark } from "./recording.model.ts";

const START_MARK = "start";

export interface TakeOrigin {
  siteId: string;
  roomId: string;
  agentVersion: string;
}

/** The take that runs: its spool, and what the agent itself has to say in its ledger. */
export class OpenTake {
  readonly spool: TakeSpool;
  private readonly clock: Clock;
  private pausedBy: { requestId: string } | undefined;

  private constructor(spool: TakeSpool, clock: Clock) {
    this.spool = spool;
    this.clock = clock;
  }

  /** Durable when it resolves. `zeroUs`: the monotonic instant of tick 0. */
  static async begin(
    options: TakeSpoolOptions,
    origin: TakeOrigin,
    start: StartTake & { continuesTakeId?: string },
    tracks: readonly RoomTrack[],
    zeroUs: number,
  ): Promise<OpenTake> {
    const { clock } = options;
    const utcUs = Math.round(clock.nowMs() * 1e3 - (clock.monoUs() - zeroUs));
    const { actor, pressedUs, ...asked } = start;
    const value = {
      ...asked,
      ...origin,
      caseReferences: [...start.caseReferences],
      userId: actor.userId,
      userName: actor.name,
      tracks: tracks.map(ledgerTrack),
      digestAlgorithm: "SHA-256",
      signatureAlgorithm: "Ed25519",
      formatVersion: "1",
      bootId: bootId(),
      monoUs: BigInt(zeroUs),
      utcUs: BigInt(utcUs),
    };
    const first: EntryInit = { takeUs: 0n, utcMs: BigInt(clock.nowMs()), what: { case: "takeStart", value } };
    const press = markEntry(clock, pressedUs - zeroUs, { id: newId(clock), type: START_MARK, text: "", actor, requestId: start.requestId });
    return new OpenTake(await TakeSpool.create(options, first, press), clock);
  }

  /** One that an agent before this one left open. */
  static async goOn(options: TakeSpoolOptions): Promise<OpenTake> {
    const spool = await TakeSpool.reopen(options, bootId());
    return new OpenTake(spool, options.clock);
  }

  /** Take time now, microseconds. */
  get nowUs(): number {
    return Math.round(this.clock.monoUs() - this.spool.zeroUs);
  }

  /** Take time since which it is paused, microseconds. */
  get pausedAtUs(): number | undefined {
    const last = this.spool.model.interruptions.at(-1);
    return last && last.toUs === undefined ? last.fromUs : undefined;
  }

  /** Take time from which on tracks are expected: the press, or the last resume. */
  get expectedFromUs(): number {
    const { interruptions, marks } = this.spool.model;
    return interruptions.at(-1)?.toUs ?? marks.find((mark) => mark.type === START_MARK)?.takeUs ?? 0;
  }

  /** Take time of the latest thing that the ledger tells, microseconds. */
  get lastSignUs(): number {
    return this.spool.model.lengthUs;
  }

  get summary(): RunningTake {
    const { start, startUtcMs, marks, interruptions } = this.spool.model;
    const pressed = marks.find((mark) => mark.type === START_MARK);
    const last = interruptions.at(-1);
    const paused = last && last.toUs === undefined;
    return {
      takeId: this.spool.takeId,
      hearingId: start?.hearingId ?? "",
      title: start?.title ?? "",
      startedAtMs: startUtcMs + (pressed?.takeUs ?? 0) / 1e3,
      startedBy: { userId: start?.userId ?? "", name: start?.userName ?? "" },
      requestId: start?.requestId ?? "",
      lengthUs: this.nowUs,
      paused: paused
        ? {
            reason: last.reason,
            atMs: startUtcMs + last.fromUs / 1e3,
            decidedBy: last.decidedBy,
            requestId: this.pausedBy?.requestId ?? "",
          }
        : undefined,
      marks: marks.map(({ id, type, text, takeUs, utcMs }) => ({ id, type, text, takeUs, atMs: utcMs })),
    };
  }

  async mark(mark: { type: string; text: string; actor: Actor; requestId: string }): Promise<TakeMark> {
    const id = newId(this.clock);
    const takeUs = this.nowUs;
    await this.spool.add(markEntry(this.clock, takeUs, { id, ...mark }));
    return { id, type: mark.type, text: mark.text, takeUs, atMs: this.clock.nowMs() };
  }

  async pause(
    pause: { reason: InterruptionReason; decidedBy: string; actor: Actor; requestId: string },
    stopped: { atUs: number; at: readonly TrackTick[] },
  ): Promise<number> {
    const { actor, ...asked } = pause;
    const takeUs = Math.round(stopped.atUs - this.spool.zeroUs);
    const value = { ...asked, ...byWhom(actor), interruptionId: newId(this.clock), ends: false, at: stopped.at.map(trackTick) };
    await this.insist({ ...this.at(takeUs), what: { case: "interruption", value } });
    this.pausedBy = { requestId: pause.requestId };
    return takeUs;
  }

  async resume(resume: { actor: Actor; requestId: string }, began: { atUs: number; at: readonly TrackTick[] }): Promise<number> {
    const last = this.spool.model.interruptions.at(-1);
    const takeUs = Math.round(began.atUs - this.spool.zeroUs);
    const { reason = 0, decidedBy = "" } = last ?? {};
    const { requestId, actor } = resume;
    const value = {
      interruptionId: last?.id ?? "",
      ends: true,
      reason,
      decidedBy,
      requestId,
      ...byWhom(actor),
      at: began.at.map(trackTick),
    };
    await this.insist({ ...this.at(takeUs), what: { case: "interruption", value } });
    return takeUs;
  }

  /**
   * All that was written is entered, the end too, and signed. `silent`: tracks that no worker was there for to stop, so that
   * nobody else says from when on they are missing. `atUs`: take time.
   */
  async end(end: { actor: Actor; requestId: string; reason: string }, silent: readonly number[], atUs: number): Promise<number> {
    const takeUs = Math.round(atUs);
    const { requestId, reason, actor } = end;
    await this.insist();
    const gaps = silent.flatMap((track) => this.deadSince(track, takeUs));
    await this.insist(...gaps, { ...this.at(takeUs), what: { case: "end", value: { ...byWhom(actor), requestId, reason } } });
    await this.spool.close();
    return takeUs;
  }

  private deadSince(number: number, toUs: number): EntryInit[] {
    const track = this.spool.model.tracks.find((it) => it.number === number);
    const paused = this.pausedAtUs ?? toUs;
    const from = Math.max(this.spool.durableThroughUs(number), track?.gaps.at(-1)?.toUs ?? 0, this.expectedFromUs);
    const [fromUs, endUs] = [BigInt(Math.round(from)), BigInt(Math.min(toUs, paused))];
    if (!track || fromUs >= endUs) return [];
    const value = { track: number, fromUs, toUs: endUs, parts: [{ cause: GapCause.DEAD, fromUs, toUs: endUs }] };
    return [{ ...this.at(Number(fromUs)), what: { case: "gap", value } }];
  }

  /** What has happened must be entered, however long the disk refuses: it is tried again each second. */
  private async insist(...entries: EntryInit[]): Promise<void> {
    for (;;) {
      try {
        return await this.spool.add(...entries);
      } catch {
        await this.clock.sleep(1_000);
      }
    }
  }

  private at(takeUs: number): { takeUs: bigint; utcMs: bigint } {
    return { takeUs: BigInt(takeUs), utcMs: BigInt(this.clock.nowMs()) };
  }
}

function markEntry(
  clock: Clock,
  takeUs: number,
  mark: { id: string; type: string; text: string; actor: Actor; requestId: string },
): EntryInit {
  const { id, type, text, actor, requestId } = mark;
  const value = { markId: id, type, text, requestId, ...byWhom(actor) };
  return { takeUs: BigInt(Math.round(takeUs)), utcMs: BigInt(clock.nowMs()), what: { case: "mark", value } };
}

function byWhom(actor: Actor): { userId: string; userName: string } {
  return { userId: actor.userId, userName: actor.name };
}

function trackTick({ number, ticks }: TrackTick): { track: number; ticks: bigint } {
  return { track: number, ticks: BigInt(ticks) };
}

function ledgerTrack({ number, id, kind, deviceId, seatId, label }: RoomTrack) {
  const video = kind === "video";
  return { number, id, kind: video ? TrackKind.VIDEO : TrackKind.AUDIO, deviceId, seatId, label, timescale: video ? 90_000 : 48_000 };
}
