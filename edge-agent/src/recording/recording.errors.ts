import { defineErrors } from "@xiezhi/protos/errors.ts";

export const recordingErrors = defineErrors("RECORDING", {
  busy: () => ({ code: "FAILED_PRECONDITION", reason: "BUSY", zh: "本庭正在录制", en: "this room is recording" }),
  idle: () => ({ code: "FAILED_PRECONDITION", reason: "IDLE", zh: "本庭没有正在进行的录制", en: "nothing is being recorded in this room" }),
  paused: () => ({ code: "FAILED_PRECONDITION", reason: "PAUSED", zh: "录制已经暂停", en: "the recording is paused" }),
  notPaused: () => ({ code: "FAILED_PRECONDITION", reason: "NOT_PAUSED", zh: "录制没有暂停", en: "the recording is not paused" }),
  spool: (what: string) => ({
    code: "RESOURCE_EXHAUSTED",
    reason: "SPOOL",
    zh: `本地存储不能写入（${what}），录制没有开始`,
    en: `the room's disk can't be written (${what}): nothing was begun`,
    details: { what },
  }),
});
