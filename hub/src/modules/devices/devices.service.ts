import { clone, create, fromJsonString, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { type CommandResult, CommandResultSchema, CommandSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import {
  type Device,
  type DevicesService as Contract,
  type RoomLink,
  RoomLinkSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { invalidOf } from "@xiezhi/rpc/gate.ts";
import type { RpcContext } from "@xiezhi/rpc/service.ts";
import type { RoomKey } from "../../platform/agents/agents.ts";
import { callOf } from "../../platform/call.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./devices.errors.ts";
import { type RoomsHeard, watchTopic } from "./devices.heard.ts";
import type { DevicesStore } from "./devices.store.ts";

const DEFAULT_TTL_MS = 5_000;
/** Beside its time to live a command may take this long: the device's own answer, and the way there and back. */
const ANSWER_WITHIN_MS = 10_000;

/** What stands in the rooms and how it is, and orders to it. */
export class DevicesService {
  private readonly platform: Platform;
  private readonly store: DevicesStore;
  private readonly sites: SitesService;
  private readonly heard: RoomsHeard;
  /** Commands that wait for their answer, by id. */
  private readonly asked = new Map<string, (result: CommandResult) => void>();

  constructor(platform: Platform, store: DevicesStore, sites: SitesService, heard: RoomsHeard) {
    this.platform = platform;
    this.store = store;
    this.sites = sites;
    this.heard = heard;
    platform.broker.hear("result", (_name, text) => this.answered(text));
  }

  async list(siteIds: readonly string[], roomId: string, request: PageRequest): Promise<{ devices: Device[]; nextPageToken: string }> {
    const rooms = await this.rooms(siteIds, roomId);
    const page = pageOf(request);
    const found = await this.store.list(
      undefined,
      rooms.map((room) => room.roomId),
      page,
    );
    const { rows, nextPageToken } = paged(page, found, ({ roomId: room, id }) => `${room}/${id}`);
    return { devices: this.heard.asProven(rows, rooms), nextPageToken };
  }

  async *watch(siteIds: readonly string[], roomId: string, signal: AbortSignal): AsyncGenerator<{ devices: Device[]; links: RoomLink[] }> {
    const rooms = await this.rooms(siteIds, roomId);
    const ids = rooms.map((room) => room.roomId);
    for await (const _ of this.platform.hints.watch(ids.map(watchTopic), signal)) {
      const devices = this.heard.asProven(await this.store.list(undefined, ids), rooms);
      const links = rooms.map((room) => {
        const { connected, sinceMs } = this.heard.link(room);
        return create(RoomLinkSchema, { roomId: room.roomId, connected, sinceMs: BigInt(sinceMs) });
      });
      yield { devices, links };
    }
  }

  /** Sent at once or not at all; resolves with what the device made of it. */
  async command(
    request: MessageShape<typeof Contract.method.commandDevice.input>,
    context: RpcContext,
  ): Promise<{ result: CommandResult }> {
    const { clock, broker, audit } = this.platform;
    const { requestId, roomId, deviceId } = request;
    const { caller } = context;
    const call = callOf(context, request);
    const siteId = (await this.sites.room(undefined, roomId))?.siteId ?? "";
    const object = { id: `${roomId}/${deviceId}`, siteId };
    const sentBy = caller.kind === "user" ? caller.login : "";
    const command = request.command ? clone(CommandSchema, request.command) : create(CommandSchema);
    Object.assign(command, { id: requestId, sentBy, sentAtMs: BigInt(clock.nowMs()) });
    try {
      if (siteId === "") throw errors.noRoom();
      const refusal = invalidOf(CommandSchema, command);
      if (refusal) throw refusal;
      const { connected, sinceMs } = this.heard.link({ siteId, roomId });
      if (!connected) throw errors.away(roomId, sinceMs);
      await audit.record(call, object, "ok");
      const [result] = await Promise.all([
        this.answerTo(command.id, (command.ttlMs || DEFAULT_TTL_MS) + ANSWER_WITHIN_MS, roomId),
        broker.say({ siteId, roomId, deviceId }, "command", toJsonString(CommandSchema, command)).catch(() => {
          throw errors.away(roomId, clock.nowMs());
        }),
      ]);
      return { result };
    } catch (error) {
      await audit.refusal(call, object, error);
      throw error;
    }
  }

  private async answerTo(id: string, withinMs: number, roomId: string): Promise<CommandResult> {
    let late = () => {};
    const timer = this.platform.clock.after(withinMs, () => late());
    try {
      return await new Promise<CommandResult>((resolve, reject) => {
        late = () => reject(errors.unconfirmed(roomId));
        this.asked.set(id, resolve);
      });
    } finally {
      timer.cancel();
      this.asked.delete(id);
    }
  }

  private answered(text: string): void {
    try {
      const result = fromJsonString(CommandResultSchema, text, { ignoreUnknownFields: true });
      this.asked.get(result.id)?.(result);
    } catch (error) {
      this.platform.log.warn({ why: (error as Error).message.slice(0, 200) }, "a command's result can't be read");
    }
  }

  private async rooms(siteIds: readonly string[], roomId: string): Promise<RoomKey[]> {
    if (roomId === "") return (await this.sites.roomsOf(siteIds)).map(({ id, siteId }) => ({ roomId: id, siteId }));
    const room = await this.sites.room(undefined, roomId);
    if (!room) throw errors.noRoom();
    return [{ roomId, siteId: room.siteId }];
  }
}
