import type { Timer } from "@xiezhi/base/clock.ts";
import { defineModule } from "../../platform/module.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { roomsRpc } from "./rooms.rpc.ts";
import { RoomsService } from "./rooms.service.ts";
import { migrations } from "./rooms.store.ts";

/** What is done in a room: the relay to its agent (relay.ts: what an unanswered act means). */
export const rooms = defineModule<{ sites: SitesService; hearings: HearingsService }, RoomsService>({
  name: "rooms",
  zh: "法庭操作",
  uses: ["sites", "hearings"],
  migrations,
  start(platform, used) {
    const service = new RoomsService(platform, used);
    let timer: Timer | undefined;
    return {
      api: service,
      rpc: [roomsRpc(service)],
      hears: { "hearings.changed": ({ facts }) => service.listChanged(facts.roomId ?? "") },
      begin() {
        timer = service.begin();
      },
      close: () => timer?.cancel(),
    };
  },
});
