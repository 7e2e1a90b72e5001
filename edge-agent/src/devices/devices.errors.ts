import { defineErrors } from "@xiezhi/protos/errors.ts";

/** Every no that a command can hear. */
export const errors = defineErrors("DEVICES", {
  notUnderstood: (why: string) => ({
    code: "INVALID_ARGUMENT",
    reason: "COMMAND_NOT_UNDERSTOOD",
    zh: "命令不是 xiezhi.devices.v1.Command 的 JSON",
    en: `the command is no JSON of xiezhi.devices.v1.Command: ${why.slice(0, 200)}`,
  }),
  noDevice: (deviceId: string) => ({
    code: "NOT_FOUND",
    reason: "NO_DEVICE",
    zh: `本房间没有设备 ${deviceId}`,
    en: `no device ${deviceId} stands in this room`,
  }),
  noCapability: (capability: string, has: readonly string[]) => ({
    code: "FAILED_PRECONDITION",
    reason: "NO_SUCH_CAPABILITY",
    zh: `该设备不具备 ${capability}；具备：${has.join("、") || "无"}`,
    en: `the device has no ${capability}; it has: ${has.join(", ") || "nothing"}`,
    details: { capability },
  }),
  noPreset: (token: string, known: readonly string[]) => ({
    code: "OUT_OF_RANGE",
    reason: "NO_SUCH_PRESET",
    zh: `没有预置位 ${token}；已知：${known.join("、") || "无"}`,
    en: `there is no preset ${token}; known: ${known.join(", ") || "none"}`,
    details: { field: "recall_preset.token" },
  }),
  expired: (ttlMs: number) => ({
    code: "DEADLINE_EXCEEDED",
    reason: "COMMAND_EXPIRED",
    zh: `命令未能在 ${ttlMs} 毫秒内开始执行，已作废`,
    en: `the command could not begin within ${ttlMs} ms and was dropped`,
  }),
  away: (why: string) => ({ code: "UNAVAILABLE", reason: "AWAY", zh: `设备不可用：${why}`, en: `the device is not available: ${why}` }),
  failed: (why: string) => ({
    code: "ABORTED",
    reason: "COMMAND_FAILED",
    zh: `设备未执行：${why}`,
    en: `the device did not do it: ${why}`,
  }),
  unconfirmed: () => ({
    code: "UNKNOWN",
    reason: "COMMAND_UNCONFIRMED",
    zh: "命令执行中房间程序重启，请查看设备实际状态",
    en: "the room's program was restarted while the device did it: look at the device",
  }),
  full: () => ({
    code: "RESOURCE_EXHAUSTED",
    reason: "QUEUE_FULL",
    zh: "该设备待执行的命令过多，请稍后再试",
    en: "too many commands wait for this device; try again later",
  }),
});
