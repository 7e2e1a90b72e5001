import { defineErrors } from "@xiezhi/protos/errors.ts";

export const ingestErrors = defineErrors("INGEST", {
  notOpen: (takeId: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "NOT_OPEN",
    zh: "尚未声明这次录制",
    en: "open the take on this stream first",
    details: { takeId },
  }),
  nothing: () => ({ code: "INVALID_ARGUMENT", reason: "NOTHING", zh: "请求为空", en: "the request says nothing" }),
});
