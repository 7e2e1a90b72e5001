import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("DEVICES", {
  noRoom: () => ({ code: "NOT_FOUND", reason: "ROOM_NOT_FOUND", zh: "没有这个法庭", en: "no such room" }),
});
