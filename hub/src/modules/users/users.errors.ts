import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("USERS", {
  notFound: () => ({ code: "NOT_FOUND", reason: "NOT_FOUND", zh: "没有这个用户", en: "no such user" }),
  wrongPassword: () => ({
    code: "UNAUTHENTICATED",
    reason: "WRONG_PASSWORD",
    zh: "用户名或密码不正确",
    en: "login or password is wrong",
  }),
  guessablePin: () => ({
    code: "INVALID_ARGUMENT",
    reason: "GUESSABLE_PIN",
    zh: "PIN 码过于简单：不要全部相同或依次相连的数字",
    en: "pin is too easy: neither one digit repeated nor digits in a row",
    details: { field: "pin" },
  }),
  loginTaken: (login: string) => ({
    code: "ALREADY_EXISTS",
    reason: "LOGIN_TAKEN",
    zh: `登录名 ${login} 已被使用`,
    en: `login ${login} is taken`,
    details: { field: "login" },
  }),
  administratorsExclude: () => ({
    code: "FAILED_PRECONDITION",
    reason: "ADMINISTRATORS_EXCLUDE",
    zh: "系统管理员、安全管理员、审计管理员不得由同一人兼任",
    en: "nobody may hold more than one of system, security and audit administrator",
  }),
  administratorByOthers: () => ({
    code: "PERMISSION_DENIED",
    reason: "ADMINISTRATOR_ROLE",
    zh: "管理员角色只能由安全管理员授予",
    en: "only a security administrator grants an administrator's role",
  }),
  notOnOneself: () => ({
    code: "FAILED_PRECONDITION",
    reason: "NOT_ON_ONESELF",
    zh: "不能停用自己或更改自己的角色",
    en: "nobody disables himself or sets his own roles",
  }),
  noSite: (siteId: string) => ({
    code: "NOT_FOUND",
    reason: "SITE_NOT_FOUND",
    zh: "没有这个法院或看守所：roles.site_id",
    en: "no such site in roles",
    details: { field: "roles.site_id", siteId },
  }),
});
