import { defineErrors } from "@xiezhi/protos/errors.ts";

export const accessErrors = defineErrors("SESSIONS", {
  slowed: (seconds: number) => ({
    code: "RESOURCE_EXHAUSTED",
    reason: "LOG_IN_SLOWED",
    zh: `登录失败次数过多，请 ${seconds} 秒后再试`,
    en: `too many failed log-ins, try again in ${seconds} s`,
    details: { retryAfterSeconds: String(seconds) },
  }),
});
