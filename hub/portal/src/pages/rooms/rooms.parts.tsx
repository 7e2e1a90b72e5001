import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { useAsk } from "../../ui/asking.ts";
import { useLanguage } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";

/** What a room is called in the page's language; its id where the list doesn't know it. */
export function useRoomNames(): (id: string) => string {
  const language = useLanguage();
  const rooms = valueOf(useAsk(SitesService.method.listRooms, { pageSize: 200 }))?.rooms ?? [];
  return (id) => {
    const room = rooms.find((it) => it.id === id);
    return (language === "zh" ? room?.nameZh : room?.nameEn) || id;
  };
}
