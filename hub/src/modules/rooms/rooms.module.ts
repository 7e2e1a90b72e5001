import type { Timer } from "@xiezhi/base/clock.ts";
import { defineModule } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import type { SitesService } from "../sites/sites.service.ts";
import type { UsersService } from "../users/users.service.ts";
import { RoomAccess } from "./rooms.access.ts";
import { roomsRpc } from "./rooms.rpc.ts";
import { RoomsService } from "./rooms.service.ts";
import { migrations } from "./rooms.store.ts";

/**
 * What is done in a room: the relay to its agent (relay.ts: what an unanswered act means), and who may work at the room's own
 * address and did (.access, .access.test).
 */
export const rooms = defineModule<{ sites: SitesService; users: UsersService; hearings: HearingsService }, RoomsService>({
  name: "rooms",
  zh: "法庭操作",
  uses: ["sites", "users", "hearings"],
  migrations,
  start(platform, used) {
    const service = new RoomsService(platform, used);
    const access = new RoomAccess(platform, used);
    let timers: Timer[] = [];
    return {
      api: service,
      rpc: [roomsRpc(service)],
      hears: { "hearings.changed": ({ facts }) => service.listChanged(facts.roomId ?? "") },
      begin() {
        timers = [service.begin(), access.begin()];
      },
      close() {
        for (const timer of timers) timer.cancel();
      },
    };
  },
});
