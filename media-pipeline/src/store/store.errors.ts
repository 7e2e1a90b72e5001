import { defineErrors } from "@xiezhi/protos/errors.ts";

/** What the hub's store refuses of what rooms bring. */
export const storeErrors = defineErrors("STORE", {
  rewritten: (takeId: string, index: number) => ({
    code: "DATA_LOSS",
    reason: "REWRITTEN",
    zh: "账本与已存内容不一致，已拒绝",
    en: `entry ${index} is not the one that was stored before`,
    details: { takeId, index: String(index) },
  }),
  badCheckpoint: (takeId: string, why: string) => ({
    code: "DATA_LOSS",
    reason: "BAD_CHECKPOINT",
    zh: "检查点无效，已拒绝",
    en: `a checkpoint is refused: ${why}`,
    details: { takeId, why },
  }),
  wrongKey: (room: string) => ({
    code: "PERMISSION_DENIED",
    reason: "WRONG_KEY",
    zh: "签名密钥不是该法庭登记的密钥",
    en: `this is not the ledger key that is enrolled for ${room}`,
    details: { room },
  }),
  notYours: (takeId: string) => ({
    code: "NOT_FOUND",
    reason: "UNKNOWN_TAKE",
    zh: "没有这次录制",
    en: "there is no such take",
    details: { takeId },
  }),
  badEntry: (index: number, why: string) => ({
    code: "INVALID_ARGUMENT",
    reason: "BAD_ENTRY",
    zh: "账本条目无效，已拒绝",
    en: `entry ${index} is refused: ${why}`,
    details: { index: String(index) },
  }),
  ahead: (first: number, size: number) => ({
    code: "OUT_OF_RANGE",
    reason: "AHEAD",
    zh: "账本条目不连续",
    en: `entries from ${first} on, but only ${size} are here`,
    details: { size: String(size) },
  }),
  damaged: (takeId: string, why: string) => ({
    code: "DATA_LOSS",
    reason: "DAMAGED",
    zh: "中心账本副本已损坏",
    en: `the hub's copy of the ledger is damaged: ${why}`,
    details: { takeId, why },
  }),
  unknownParcel: (index: number) => ({
    code: "FAILED_PRECONDITION",
    reason: "UNKNOWN_PARCEL",
    zh: "账本中没有这个数据块",
    en: `entry ${index} is no parcel or header that is known here`,
    details: { index: String(index) },
  }),
  wrongBytes: (index: number) => ({
    code: "INVALID_ARGUMENT",
    reason: "WRONG_BYTES",
    zh: "数据与账本记录的摘要不符",
    en: `these are not the bytes that entry ${index} names`,
    details: { index: String(index) },
  }),
  trouble: (why: string) => ({
    code: "UNAVAILABLE",
    reason: "TROUBLE",
    zh: "中心存储暂时不能写入",
    en: `the hub's store can't be written now: ${why}`,
    details: { why },
  }),
});
