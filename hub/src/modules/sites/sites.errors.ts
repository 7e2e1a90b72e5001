import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("SITES", {
  noSite: () => ({ code: "NOT_FOUND", reason: "NOT_FOUND", zh: "没有这个法院或看守所", en: "no such site" }),
  noRoom: () => ({ code: "NOT_FOUND", reason: "ROOM_NOT_FOUND", zh: "没有这个法庭", en: "no such room" }),
  otherSite: (roomId: string, siteId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "ROOM_ELSEWHERE",
    zh: `法庭 ${roomId} 已登记在 ${siteId}`,
    en: `room ${roomId} stands at ${siteId} already`,
  }),
});
