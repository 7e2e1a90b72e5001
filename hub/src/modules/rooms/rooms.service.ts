import type { Timer } from "@xiezhi/base/clock.ts";
import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { AgentService, RememberRequestSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import { type Actor, ActorSchema, RoomService, type WatchLiveResponse } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import type { Client } from "@xiezhi/rpc/client.ts";
import type { Caller, RpcContext } from "@xiezhi/rpc/service.ts";
import type { Agents, RoomKey } from "../../platform/agents/agents.ts";
import { type Call, callOf } from "../../platform/call.ts";
import type { Platform } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { confirmed, confirmedSteps } from "./relay.ts";
import { errors } from "./rooms.errors.ts";

/** DECISIONS 16: sent and unanswered for this long is not confirmed. */
const START_WITHIN_MS = 2_500;
/** Resume and mark answer when they are durable in the room; pause and end also when the last sound is encoded, for up to 10 s. */
const ACT_WITHIN_MS = 5_000;
const HALT_WITHIN_MS = 15_000;
/** The list is looked at again this often: a hearing that overran, or a new Day, changes it without anybody's act. */
const LIST_AGAIN_MS = 30_000;
/** More than this waiting for a page: chunks are dropped up to the next key frame. */
const LIVE_BACKLOG_BYTES = 512 << 10;

type Acting = { roomId: string; requestId: string };

/** The hub's side of RoomService: rights, audit, forward. What is done is written once, in the agent. */
export class RoomsService {
  private readonly platform: Platform;
  private readonly sites: SitesService;
  private readonly hearings: HearingsService;
  private readonly agents: Agents;
  private version = 0;
  private readonly sent = new Map<string, string>();

  constructor(platform: Platform, used: { sites: SitesService; hearings: HearingsService }) {
    this.platform = platform;
    this.sites = used.sites;
    this.hearings = used.hearings;
    this.agents = platform.agents;
    this.agents.onConnected((room) => {
      this.sent.delete(room.roomId);
      void this.remind(room);
    });
  }

  begin(): Timer {
    return this.platform.clock.every(LIST_AGAIN_MS, () => void this.remindAll());
  }

  /** The room's list became another one. */
  async listChanged(roomId: string): Promise<void> {
    const room = await this.sites.room(undefined, roomId);
    if (room) await this.remind({ roomId, siteId: room.siteId });
  }

  async *watchDesk(request: { roomId: string }, { signal }: RpcContext) {
    const { client, gone } = await this.reach(request.roomId);
    yield* this.whileThere(client.watchDesk(request, { signal }), gone, signal);
  }

  /** A page that can't keep up loses pictures, never time: after a gap each track goes on with its next key frame. */
  async *watchLive(request: { roomId: string; tracks: number[]; small: boolean }, { signal, backlogBytes }: RpcContext) {
    const { client, gone } = await this.reach(request.roomId, "xiezhi-live");
    const dropping = new Set<number>();
    for await (const message of this.whileThere(client.watchLive(request, { signal }), gone, signal))
      if (mayPass(message, dropping, backlogBytes() > LIVE_BACKLOG_BYTES)) yield message;
  }

  /** Steps as the room takes them. A caller that goes away does not stop the start. */
  async *start(request: MessageShape<typeof RoomService.method.start.input>, context: RpcContext) {
    const { clock } = this.platform;
    const arrivedUs = clock.monoUs();
    const call = callOf(context, request);
    let audited = false;
    try {
      const { client } = await this.reach(request.roomId);
      const ageMs = request.ageMs + Math.round((clock.monoUs() - arrivedUs) / 1e3);
      const forwarded = { ...request, ageMs, actor: actorOf(context.caller) };
      yield* confirmedSteps(
        clock,
        START_WITHIN_MS,
        () => errors.unconfirmed(request.roomId),
        (signal) => client.start(forwarded, { signal }),
      );
      audited = true;
      await this.audit(call, request, "ok");
    } catch (error) {
      audited = true;
      await this.refused(call, request, error);
      throw error;
    } finally {
      // The caller went away in between: it was sent, and whether it succeeded stands in the room's ledger.
      if (!audited) await this.audit(call, request, "sent");
    }
  }

  pause(request: MessageShape<typeof RoomService.method.pause.input>, context: RpcContext) {
    return this.act(request, context, HALT_WITHIN_MS, (client, actor, signal) => client.pause({ ...request, actor }, { signal }));
  }

  resume(request: MessageShape<typeof RoomService.method.resume.input>, context: RpcContext) {
    return this.act(request, context, ACT_WITHIN_MS, (client, actor, signal) => client.resume({ ...request, actor }, { signal }));
  }

  mark(request: MessageShape<typeof RoomService.method.mark.input>, context: RpcContext) {
    return this.act(request, context, ACT_WITHIN_MS, (client, actor, signal) => client.mark({ ...request, actor }, { signal }));
  }

  end(request: MessageShape<typeof RoomService.method.end.input>, context: RpcContext) {
    return this.act(request, context, HALT_WITHIN_MS, (client, actor, signal) => client.end({ ...request, actor }, { signal }));
  }

  private async act<T>(
    request: Acting & MessageShape<DescMessage>,
    context: RpcContext,
    withinMs: number,
    fn: (client: Client<typeof RoomService>, actor: Actor, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const call = callOf(context, request);
    const { roomId } = request;
    try {
      const { client } = await this.reach(roomId);
      const actor = actorOf(context.caller);
      const answer = await confirmed(
        this.platform.clock,
        withinMs,
        () => errors.unconfirmed(roomId),
        (signal) => fn(client, actor, signal),
      );
      await this.audit(call, request, "ok");
      return answer;
    } catch (error) {
      await this.refused(call, request, error);
      throw error;
    }
  }

  private async audit(call: Call, { roomId }: Acting, outcome: string): Promise<void> {
    const siteId = (await this.sites.room(undefined, roomId))?.siteId ?? "";
    await this.platform.audit.record(call, { id: roomId, siteId }, outcome);
  }

  private async refused(call: Call, { roomId }: Acting, error: unknown): Promise<void> {
    const siteId = (await this.sites.room(undefined, roomId))?.siteId ?? "";
    await this.platform.audit.refusal(call, { id: roomId, siteId }, error);
  }

  private async room(roomId: string): Promise<RoomKey> {
    const room = await this.sites.room(undefined, roomId);
    if (!room) throw errors.noRoom();
    return { roomId, siteId: room.siteId };
  }

  private async reach(roomId: string, lane?: "xiezhi-live"): Promise<{ client: Client<typeof RoomService>; gone: () => Error }> {
    const room = await this.room(roomId);
    const gone = () => errors.away(roomId, this.agents.state(room).sinceMs);
    const client = this.agents.client(room, RoomService, lane);
    if (!client) throw gone();
    return { client, gone };
  }

  /** A watch that the link ended is told as the room's being away, with since when. */
  private async *whileThere<T>(messages: AsyncIterable<T>, gone: () => Error, signal: AbortSignal): AsyncGenerator<T, void> {
    try {
      yield* messages;
    } catch (error) {
      throw !signal.aborted && isXiezhiError(error) && error.reason.startsWith("RPC_") ? gone() : error;
    }
  }

  private async remindAll(): Promise<void> {
    for (const key of this.sent.keys()) {
      await this.listChanged(key);
    }
  }

  /** Tells the room its list of today, when it is another one than it was told. A room that misses it is told when it is back. */
  private async remind(room: RoomKey): Promise<void> {
    const { roomId } = room;
    const client = this.agents.client(room, AgentService);
    if (!client) return;
    try {
      const listings = await this.hearings.today(roomId);
      const nowMs = this.platform.clock.nowMs();
      const said = Buffer.from(toBinary(RememberRequestSchema, create(RememberRequestSchema, { listings }))).toString("base64");
      if (this.sent.get(roomId) === said) return;
      this.version = Math.max(this.version + 1, nowMs);
      await client.remember({ version: BigInt(this.version), listings, atMs: BigInt(nowMs) }, { timeoutMs: ACT_WITHIN_MS });
      this.sent.set(roomId, said);
    } catch (error) {
      this.sent.set(roomId, "");
      this.platform.log.warn({ err: error, room: roomId }, "a room was not told its list and is told again");
    }
  }
}

function actorOf(caller: Caller): MessageInitShape<typeof ActorSchema> & Actor {
  return create(ActorSchema, caller.kind === "user" ? { userId: caller.userId, name: caller.name, login: caller.login } : {});
}

function mayPass({ what }: WatchLiveResponse, dropping: Set<number>, full: boolean): boolean {
  if (what.case !== "chunk") return true;
  const { number, key } = what.value;
  if (full) dropping.add(number);
  else if (key) dropping.delete(number);
  return !dropping.has(number);
}
