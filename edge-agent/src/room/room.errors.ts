import { defineErrors } from "@xiezhi/protos/errors.ts";

/** Every no that a room can give. */
export const roomErrors = defineErrors("ROOMS", {
  otherRoom: (roomId: string) => ({
    code: "NOT_FOUND",
    reason: "OTHER_ROOM",
    zh: "没有这个法庭",
    en: "there is no such room here",
    details: { room: roomId },
  }),
  running: (take: { takeId: string; startedBy: string; startedAtMs: number }) => ({
    code: "FAILED_PRECONDITION",
    reason: "RUNNING",
    zh: `本庭已由${take.startedBy}开始录制`,
    en: `a recording runs in this room, started by ${take.startedBy}`,
    details: { take: take.takeId, startedBy: take.startedBy, startedAtMs: String(take.startedAtMs) },
  }),
  notRunning: () => ({
    code: "FAILED_PRECONDITION",
    reason: "NOT_RUNNING",
    zh: "本庭没有正在进行的录制",
    en: "nothing is being recorded in this room",
  }),
  otherTake: (running: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "OTHER_TAKE",
    zh: "正在进行的是另一次录制，请先查看本庭现状",
    en: "another recording is running: look at the room first",
    details: { take: running },
  }),
  paused: () => ({ code: "FAILED_PRECONDITION", reason: "PAUSED", zh: "录制已经暂停", en: "the recording is paused already" }),
  notPaused: () => ({ code: "FAILED_PRECONDITION", reason: "NOT_PAUSED", zh: "录制没有暂停", en: "the recording is not paused" }),
  publicOnly: () => ({
    code: "FAILED_PRECONDITION",
    reason: "PUBLIC_ONLY",
    zh: "“不公开的质证活动”仅适用于公开审理的庭审（法释〔2017〕5号第三条）",
    en: "this reason exists in public hearings only (法释〔2017〕5号 art. 3)",
  }),
  expired: (ttlMs: number) => ({
    code: "DEADLINE_EXCEEDED",
    reason: "EXPIRED",
    zh: "请求到达过晚，没有执行，请重新按下开始",
    en: "the request came too late and was not carried out: press start again",
    details: { ttlMs: String(ttlMs) },
  }),
});
