import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { Publicity } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type CentralCopy, RoomService, type StartRequest } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { type Handlers, type Implementation, implement, type RpcContext } from "@xiezhi/rpc/service.ts";
import type { Memory } from "../memory/memory.part.ts";
import type { Actor, LivePiece, RunningTake, SoundLevel, StartedTake, StartStep } from "../recording/recording.model.ts";
import type { Recording } from "../recording/recording.part.ts";
import { deskOf } from "./desk.ts";
import { roomErrors } from "./room.errors.ts";
import { Steps, Wakeup } from "./streams.ts";

/** A room stays warm this long after the last page has gone: a reload must not cost a reconnect. */
const WARM_AFTER_MS = 60_000;
/** A room is warm from this long before a listed hearing. */
const WARM_BEFORE_MS = 30 * 60_000;
const LOOK_AT_LIST_EACH_MS = 10_000;
const DEFAULT_TTL_MS = 10_000;

export interface RoomOptions {
  clock: Clock;
  roomId: string;
  recording: Recording;
  memory: Memory;
  central(): CentralCopy;
  /** Calls the listener when the link to the hub comes or goes; returns the way to stop it. */
  onCentral(listener: () => void): () => void;
}

/** What is done in a room, written once: the hub relays to it and the room's own server calls it. */
export class Room {
  readonly implementation: Implementation;
  private readonly options: RoomOptions;
  private readonly starts = new Map<string, Steps<StartStep, StartedTake & { hearingId: string }>>();
  private watchers = 0;
  private warmUntilUs = 0;
  private timer: Timer | undefined;

  constructor(options: RoomOptions) {
    this.options = options;
    const handlers: Handlers<typeof RoomService> = {
      watchDesk: (request, context) => this.watchDesk(request, context),
      start: (request, context) => this.start(request, context),
      pause: (request, context) => this.once("pause", request, context, (actor) => this.pause(request, actor)),
      resume: (request, context) => this.once("resume", request, context, (actor) => this.resume(request, actor)),
      mark: (request, context) => this.once("mark", request, context, (actor) => this.mark(request, actor)),
      end: (request, context) => this.once("end", request, context, (actor) => this.end(request, actor)),
      watchLive: (request, context) => this.watchLive(request, context),
    };
    this.implementation = implement(RoomService, handlers);
  }

  open(): void {
    this.timer = this.options.clock.every(LOOK_AT_LIST_EACH_MS, () => this.decideWarmth());
    this.decideWarmth();
  }

  close(): void {
    this.timer?.cancel();
  }

  private async *watchDesk({ roomId }: { roomId: string }, { signal }: RpcContext) {
    this.mine(roomId);
    const { clock, recording, memory, central, onCentral } = this.options;
    const wake = new Wakeup(signal);
    let changed = true;
    let levels: readonly SoundLevel[] | undefined;
    const deskChanged = () => {
      changed = true;
      wake.now();
    };
    const stops = [
      recording.onStatus(deskChanged),
      memory.onChange(deskChanged),
      onCentral(deskChanged),
      recording.onLevels((heard) => {
        levels = heard;
        wake.now();
      }),
    ];
    this.watch(1);
    try {
      while (!signal.aborted) {
        if (changed) {
          changed = false;
          const desk = deskOf(roomId, clock.nowMs(), recording.status(), memory, central());
          yield { what: { case: "desk" as const, value: desk } };
        }
        if (levels) {
          const heard = levels;
          levels = undefined;
          yield { what: { case: "levels" as const, value: { levels: [...heard] } } };
        }
        await wake.wait();
      }
    } finally {
      for (const stop of stops) stop();
      this.watch(-1);
    }
  }

  private async *start(request: StartRequest, context: RpcContext) {
    this.mine(request.roomId);
    const actor = actorOf(request, context);
    const key = `${actor.userId} ${request.requestId}`;
    const steps = this.starts.get(key) ?? (await this.begin(key, request, actor));
    for await (const step of steps.all()) yield { what: { case: "step" as const, value: { ...step, ms: Math.round(step.ms) } } };
    const { takeId, hearingId, startedAtMs, buttonToFirstParcelMs } = await steps.result;
    yield {
      what: {
        case: "started" as const,
        value: {
          takeId,
          hearingId,
          startedAtMs: BigInt(Math.round(startedAtMs)),
          buttonToFirstParcelMs: Math.round(buttonToFirstParcelMs),
        },
      },
    };
  }

  /** Begins a take, or tells again what the same request has begun already; whoever else comes is told who was first. */
  private async begin(key: string, request: StartRequest, actor: Actor): Promise<Steps<StartStep, StartedTake & { hearingId: string }>> {
    const { recording, memory, clock } = this.options;
    const pressedUs = clock.monoUs() - request.ageMs * 1e3;
    const before = memory.answered<StartedTake & { hearingId: string }>("start", actor.userId, request.requestId);
    if (before) return Steps.done(before);
    const { take } = recording.status();
    if (take?.requestId === request.requestId && take.startedBy.userId === actor.userId) return Steps.done(resumed(take));
    const [underWay] = this.starts.values();
    const running = take ? { ...take, startedBy: take.startedBy.name } : underWay?.about;
    if (running) throw roomErrors.running(running);
    const ttlMs = request.ttlMs || DEFAULT_TTL_MS;
    if (request.ageMs > ttlMs) throw roomErrors.expired(ttlMs);
    const listed = memory.hearing(request.hearingId);
    const hearingId = request.hearingId || newId(clock);
    const takeId = newId(clock);
    const steps = new Steps<StartStep, StartedTake & { hearingId: string }>({ takeId, startedBy: actor.name, startedAtMs: clock.nowMs() });
    this.starts.set(key, steps);
    const title = request.title || listed?.title || listed?.cases[0]?.title || "";
    const caseReferences = listed?.cases.map(({ number }) => number?.text ?? "").filter((text) => text !== "") ?? [];
    const unlisted = request.hearingId === "";
    const order = { takeId, hearingId, unlisted, caseReferences, title, actor, requestId: request.requestId, pressedUs };
    steps.run(async (onStep) => {
      try {
        const answer = { ...(await recording.start(order, onStep)), hearingId };
        await memory.keepAnswer("start", actor.userId, request.requestId, answer);
        return answer;
      } finally {
        this.starts.delete(key);
      }
    });
    return steps;
  }

  private async pause(request: { reason: InterruptionReason; decidedBy: string; requestId: string }, actor: Actor) {
    const take = this.running();
    if (take.paused) throw roomErrors.paused();
    const closed = this.options.memory.hearing(take.hearingId)?.publicity === Publicity.NOT_PUBLIC;
    if (closed && request.reason === InterruptionReason.NONPUBLIC_EVIDENCE) throw roomErrors.publicOnly();
    const { reason, decidedBy, requestId } = request;
    const { takeUs } = await this.options.recording.pause({ reason, decidedBy, actor, requestId });
    return { takeId: take.takeId, takeUs: BigInt(Math.round(takeUs)) };
  }

  private async resume({ requestId }: { requestId: string }, actor: Actor) {
    const take = this.running();
    if (!take.paused) throw roomErrors.notPaused();
    const { takeUs } = await this.options.recording.resume({ actor, requestId });
    return { takeId: take.takeId, takeUs: BigInt(Math.round(takeUs)) };
  }

  private async mark({ type, text, requestId }: { type: string; text: string; requestId: string }, actor: Actor) {
    this.running();
    const mark = await this.options.recording.mark({ type, text, actor, requestId });
    return { mark: { ...mark, takeUs: BigInt(Math.round(mark.takeUs)), atMs: BigInt(Math.round(mark.atMs)) } };
  }

  private async end({ takeId, requestId }: { takeId: string; requestId: string }, actor: Actor) {
    const take = this.running();
    if (take.takeId !== takeId) throw roomErrors.otherTake(take.takeId);
    const { lengthUs } = await this.options.recording.end({ actor, requestId, reason: "pressed" });
    return { takeId, lengthUs: BigInt(Math.round(lengthUs)) };
  }

  private async *watchLive({ roomId, tracks, small }: { roomId: string; tracks: number[]; small: boolean }, { signal }: RpcContext) {
    this.mine(roomId);
    this.watch(1);
    try {
      for await (const piece of this.options.recording.watchLive(tracks, { small, signal })) yield liveResponse(piece);
    } finally {
      this.watch(-1);
    }
  }

  /** The same request of the same user gets the same answer for a day, over restarts too. */
  private async once<T extends object>(
    method: string,
    request: { roomId: string; requestId: string; actor?: { userId: string; name: string } | undefined },
    context: RpcContext,
    act: (actor: Actor) => Promise<T>,
  ): Promise<T> {
    this.mine(request.roomId);
    const { output } = context.method;
    const actor = actorOf(request, context);
    const before = this.options.memory.answered<string>(method, actor.userId, request.requestId);
    if (before !== undefined) return fromBinary(output, Buffer.from(before, "base64")) as unknown as T;
    const answer = await act(actor);
    const bytes = toBinary(output, create(output, answer as Record<string, unknown>));
    await this.options.memory.keepAnswer(method, actor.userId, request.requestId, Buffer.from(bytes).toString("base64"));
    return answer;
  }

  private mine(roomId: string): void {
    if (roomId !== this.options.roomId) throw roomErrors.otherRoom(roomId);
  }

  private running(): RunningTake {
    const { take } = this.options.recording.status();
    if (!take) throw roomErrors.notRunning();
    return take;
  }

  private watch(change: 1 | -1): void {
    this.watchers += change;
    this.warmUntilUs = this.options.clock.monoUs() + WARM_AFTER_MS * 1e3;
    this.decideWarmth();
  }

  private decideWarmth(): void {
    const { clock, recording, memory } = this.options;
    const now = clock.nowMs();
    const soon = memory.listings.some(
      ({ listedFromMs, listedToMs }) => Number(listedFromMs) - WARM_BEFORE_MS <= now && now < Number(listedToMs),
    );
    recording.warm(this.watchers > 0 || clock.monoUs() < this.warmUntilUs || soon);
  }
}

/** The agent was restarted since: the take runs, and what the start had measured is gone. */
function resumed({ takeId, hearingId, startedAtMs }: RunningTake): StartedTake & { hearingId: string } {
  return { takeId, hearingId, startedAtMs, buttonToFirstParcelMs: 0 };
}

/** The hub names who pressed; a person who is signed in here is named by the session. */
function actorOf(request: { actor?: { userId: string; name: string } | undefined }, { caller }: RpcContext): Actor {
  if (caller.kind === "user") return { userId: caller.userId, name: caller.name };
  const { userId = "", name = "" } = request.actor ?? {};
  return { userId, name };
}

function liveResponse(piece: LivePiece) {
  if (piece.kind === "header") {
    const { number, codec, timescale, header } = piece;
    return { what: { case: "header" as const, value: { number, codec, timescale, header: new Uint8Array(header) } } };
  }
  const { number, key, arrivedUtcUs, data } = piece;
  return {
    what: { case: "chunk" as const, value: { number, key, arrivedUtcUs: BigInt(Math.round(arrivedUtcUs)), data: new Uint8Array(data) } },
  };
}
