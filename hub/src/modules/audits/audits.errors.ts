import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("AUDITS", {
  token: () => ({
    code: "INVALID_ARGUMENT",
    reason: "TOKEN",
    zh: "翻页标记无效：page_token",
    en: "page_token is not one that this list gave",
    details: { field: "page_token" },
  }),
});
