import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("DEVICES", {
  noRoom: () => ({ code: "NOT_FOUND", reason: "ROOM_NOT_FOUND", zh: "没有这个法庭", en: "no such room" }),
  away: (roomId: string, sinceMs: number) => ({
    code: "UNAVAILABLE",
    reason: "ROOM_AWAY",
    zh: "法庭失联，指令未发出",
    en: "the room is not heard; nothing was sent",
    details: { roomId, sinceMs: String(sinceMs) },
  }),
  unconfirmed: (roomId: string) => ({
    code: "DEADLINE_EXCEEDED",
    reason: "COMMAND_UNCONFIRMED",
    zh: "指令已发出但未确认，请查看设备",
    en: "sent and not confirmed: look at the device",
    details: { roomId },
  }),
});
