import type { Timer } from "@xiezhi/base/clock.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { AccessService, type Act } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { rightsOf } from "@xiezhi/rpc/access/rights.ts";
import type { Client } from "@xiezhi/rpc/client.ts";
import type { RoomKey } from "../../platform/agents/agents.ts";
import type { Platform } from "../../platform/module.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { USERS_TOPIC, type UsersService } from "../users/users.service.ts";

/** Rooms are told anew so often, so that what they know is never much older than the link. */
const TELL_EACH_MS = 10 * 60_000;
const AGAIN_MS = 1_000;
const WITHIN_MS = 5_000;

/** For each room that can be called: who may work at its own address, told at once and after each change; and what they did. */
export class RoomAccess {
  private readonly platform: Platform;
  private readonly sites: SitesService;
  private readonly users: UsersService;
  private version = 0;

  constructor(platform: Platform, used: { sites: SitesService; users: UsersService }) {
    this.platform = platform;
    this.sites = used.sites;
    this.users = used.users;
    platform.agents.onConnected((room, closed) => {
      void this.whileThere(room, closed, (client) => this.admit(room, client, closed));
      void this.whileThere(room, closed, (client) => this.take(room, client, closed));
    });
  }

  begin(): Timer {
    return this.platform.clock.every(TELL_EACH_MS, () => this.platform.hints.touch(USERS_TOPIC));
  }

  private async whileThere(
    room: RoomKey,
    closed: AbortSignal,
    act: (client: Client<typeof AccessService>) => Promise<void>,
  ): Promise<void> {
    const { clock, log, agents } = this.platform;
    while (!closed.aborted) {
      const client = agents.client(room, AccessService);
      try {
        if (client) await act(client);
      } catch (error) {
        if (closed.aborted) return;
        log.warn({ room: room.roomId, why: (error as Error).message }, "a room's own address can't be looked after");
        // An agent that is older than this has no own address.
        if (isXiezhiError(error) && error.code === "UNIMPLEMENTED") return;
      }
      await clock.sleep(AGAIN_MS, closed).catch(() => undefined);
    }
  }

  private async admit({ siteId }: RoomKey, client: Client<typeof AccessService>, closed: AbortSignal): Promise<void> {
    const { clock, hints } = this.platform;
    const desk = rightsOf(RoomService.method.watchDesk).roles;
    for await (const _ of hints.watch([USERS_TOPIC], closed)) {
      const site = await this.sites.site(undefined, siteId);
      const people = this.users.withPinAt(siteId).filter(({ user }) => user.roles.some(({ role }) => desk.includes(role)));
      const nowMs = clock.nowMs();
      this.version = Math.max(this.version + 1, nowMs);
      const known = { version: BigInt(this.version), atMs: BigInt(nowMs), people, ...(site && { site }) };
      await client.admit(known, { timeoutMs: WITHIN_MS });
    }
  }

  /** Taken, then said so: what is brought twice is kept once. */
  private async take(room: RoomKey, client: Client<typeof AccessService>, closed: AbortSignal): Promise<void> {
    for await (const { acts } of client.watchActs({}, { signal: closed })) {
      await this.platform.database.transaction(async (tx) => {
        for (const act of acts) await this.platform.audit.take(tx, room, { ...act, atMs: Number(act.atMs) }, this.isLate(act));
      });
      await client.takeActs({ ids: acts.map(({ id }) => id) }, { timeoutMs: WITHIN_MS });
    }
  }

  /** The room could not know that the user was disabled, or had lost a role or the PIN. */
  private isLate({ userId, atMs }: Act): boolean {
    return this.users.narrowedBy(userId, Number(atMs));
  }
}
