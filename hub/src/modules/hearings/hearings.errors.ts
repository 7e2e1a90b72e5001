import { defineErrors } from "@xiezhi/protos/errors.ts";

/** What is said of the hearing that stands in the way. */
interface Listing {
  id: string;
  title: string;
  listedFromMs: bigint;
  listedToMs: bigint;
}

export const errors = defineErrors("HEARINGS", {
  notFound: () => ({ code: "NOT_FOUND", reason: "NOT_FOUND", zh: "没有这个庭次", en: "no such hearing" }),
  roomTaken: ({ id, title, listedFromMs, listedToMs }: Listing) => ({
    code: "FAILED_PRECONDITION",
    reason: "ROOM_TAKEN",
    zh: `该法庭在 ${chinaTime(listedFromMs)} 至 ${chinaTime(listedToMs)} 已排期：${title}`,
    en: `the room is listed from ${chinaTime(listedFromMs)} to ${chinaTime(listedToMs)} for another hearing`,
    details: { hearingId: id, listedFromMs: String(listedFromMs), listedToMs: String(listedToMs) },
  }),
  wrongTimes: () => ({
    code: "INVALID_ARGUMENT",
    reason: "TIMES_WRONG",
    zh: "结束时间应晚于开始时间，且不超过 24 小时：listed_to_ms",
    en: "a hearing ends after it begins, within 24 h",
    details: { field: "listed_to_ms" },
  }),
  groundNeeded: () => ({
    code: "INVALID_ARGUMENT",
    reason: "GROUND_NEEDED",
    zh: "不公开审理须填写法律依据：publicity_ground",
    en: "a hearing that is not public needs its legal ground",
    details: { field: "publicity_ground" },
  }),
  caseElsewhere: (caseId: string) => ({
    code: "NOT_FOUND",
    reason: "CASE_NOT_FOUND",
    zh: "没有这个案件：case_ids",
    en: "no such case in case_ids",
    details: { field: "case_ids", caseId },
  }),
  takeNotLinked: (takeId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "TAKE_NOT_LINKED",
    zh: "该录像未关联本庭次：take_ids",
    en: "a take of take_ids is not linked to this hearing",
    details: { field: "take_ids", takeId },
  }),
  notListed: () => ({
    code: "FAILED_PRECONDITION",
    reason: "NOT_LISTED",
    zh: "只有已排期且未开始的庭次可以取消",
    en: "only a listed hearing that has not begun can be cancelled",
  }),
});

/** China has one civil time, UTC+8. */
function chinaTime(ms: bigint): string {
  return new Date(Number(ms) + 8 * 3_600_000).toISOString().slice(0, 16).replace("T", " ");
}
