import { defineErrors } from "@xiezhi/protos/errors.ts";

const WAY_OUT = {
  zh: "出路：恢复本庭与中心的连接，几秒内即自动更新；或改在中心地址登录。正在进行的录制不受影响",
  en: "the way out: restore the room's link to the hub, and it is renewed within seconds; or sign in at the hub's address. A recording that runs is not touched",
};

/** Every no of a room's own address. */
export const errors = defineErrors("ACCESS", {
  wrongPin: () => ({ code: "UNAUTHENTICATED", reason: "WRONG_PIN", zh: "用户名或 PIN 码不正确", en: "login or PIN is wrong" }),
  neverTold: () => ({
    code: "FAILED_PRECONDITION",
    reason: "NEVER_TOLD",
    zh: `本庭尚未从中心得到可登录人员名单。${WAY_OUT.zh}`,
    en: `the hub has not told this room yet who may sign in; ${WAY_OUT.en}`,
  }),
  tooOld: (days: number, most: number) => ({
    code: "FAILED_PRECONDITION",
    reason: "TOO_OLD",
    zh: `本庭的可登录人员名单已 ${days} 天未经中心更新（上限 ${most} 天），不能据此登录。${WAY_OUT.zh}`,
    en: `who may sign in here was last told by the hub ${days} days ago (at most ${most}); ${WAY_OUT.en}`,
    details: { days: String(days), most: String(most) },
  }),
  noRoom: () => ({ code: "NOT_FOUND", reason: "NO_ROOM", zh: "没有这个法庭", en: "there is no such room here" }),
});
