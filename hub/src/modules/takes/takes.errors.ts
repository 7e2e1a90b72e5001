import { defineErrors } from "@xiezhi/protos/errors.ts";

export const errors = defineErrors("TAKES", {
  notFound: () => ({ code: "NOT_FOUND", reason: "NOT_FOUND", zh: "没有这次录制", en: "no such take" }),
});
