import { defineErrors, type ErrorCode } from "@xiezhi/protos/errors.ts";

/** What the transports themselves refuse or fail at. */
export const rpcErrors = defineErrors("RPC", {
  invalidField: (field: string, why: string) => ({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_FIELD",
    zh: `字段“${field}”不符合要求`,
    en: `field ${field}: ${why}`,
    details: { field, why },
  }),
  internal: () => ({ code: "INTERNAL", reason: "INTERNAL", zh: "系统内部错误，已记录", en: "internal error, it has been logged" }),
  unknownMethod: (method: string) => ({
    code: "UNIMPLEMENTED",
    reason: "UNKNOWN_METHOD",
    zh: "没有这个方法",
    en: `no method ${method.slice(0, 200)} here`,
  }),
  signInFirst: () => ({ code: "UNAUTHENTICATED", reason: "SIGN_IN_FIRST", zh: "请先登录", en: "sign in first" }),
  sessionEnded: () => ({
    code: "UNAUTHENTICATED",
    reason: "SESSION_ENDED",
    zh: "会话已结束，请重新登录",
    en: "the session has ended, sign in again",
  }),
  programsOnly: () => ({
    code: "PERMISSION_DENIED",
    reason: "PROGRAMS_ONLY",
    zh: "仅限系统程序调用",
    en: "only a program with the right certificate may call this",
  }),
  cancelled: () => ({ code: "CANCELLED", reason: "CANCELLED", zh: "调用已取消", en: "the call was cancelled" }),
  away: (why: string) => ({
    code: "UNAVAILABLE",
    reason: "AWAY",
    zh: "对方无法联系",
    en: `the other end can't be reached: ${why.slice(0, 300)}`,
  }),
  tooManyStreams: (most: number) => ({
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_MANY_STREAMS",
    zh: "同一页面打开的数据流过多",
    en: `more than ${most} streams on one socket`,
    details: { most: String(most) },
  }),
  status: (code: ErrorCode, text: string) => ({ code, reason: code, zh: "调用失败", en: text.slice(0, 300) || code }),
});
