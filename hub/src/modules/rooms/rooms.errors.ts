import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("ROOMS", {
  noRoom: () => ({ code: "NOT_FOUND", reason: "ROOM_NOT_FOUND", zh: "没有这个法庭", en: "no such room" }),
  /** Nothing was sent. */
  away: (roomId: string, sinceMs: number) => ({
    code: "UNAVAILABLE",
    reason: "AWAY",
    zh: `与法庭 ${roomId} 的连接已中断，指令没有发出`,
    en: `room ${roomId} can't be reached, nothing was sent`,
    details: { roomId, sinceMs: String(sinceMs) },
  }),
  /** Sent, and it may have been done: the same request id may be sent again and is carried out at most once. */
  unconfirmed: (roomId: string) => ({
    code: "DEADLINE_EXCEEDED",
    reason: "UNCONFIRMED",
    zh: `法庭 ${roomId} 尚未确认，请查看现场`,
    en: `room ${roomId} has not confirmed: look at the room`,
    details: { roomId },
  }),
});
