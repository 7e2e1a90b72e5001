import { defineErrors } from "@xiezhi/protos/errors.ts";
import type { NumberPart, WrongNumber } from "./cases.law.ts";

const parts: Record<NumberPart, { zh: string; en: string }> = {
  year: { zh: "年份", en: "year" },
  court: { zh: "法院代字", en: "court code" },
  type: { zh: "类型代字", en: "type code" },
  serial: { zh: "顺序号", en: "serial" },
  suffix: { zh: "号之几", en: "suffix" },
  end: { zh: "结尾", en: "ending" },
};

export const errors = defineErrors("CASES", {
  notFound: () => ({ code: "NOT_FOUND", reason: "NOT_FOUND", zh: "没有这个案件", en: "no such case" }),
  wrongNumber: ({ part, found, zh, en }: WrongNumber) => ({
    code: "INVALID_ARGUMENT",
    reason: "NUMBER_WRONG",
    zh: `案号的${parts[part].zh}“${found}”不正确，应为${zh}`,
    en: `the ${parts[part].en} "${found}" of the case number is wrong, expected ${en}`,
    details: { field: "number", part, found, expectedZh: zh, expectedEn: en },
  }),
  legacyUnconfirmed: (text: string) => ({
    code: "FAILED_PRECONDITION",
    reason: "LEGACY_UNCONFIRMED",
    zh: `“${text}”是 2016 年以前的旧案号，请确认按原样保存`,
    en: `${text} is a number from before 2016: confirm that it is to be kept as it stands`,
    details: { field: "legacy_confirmed", number: text },
  }),
  numberTaken: (text: string) => ({
    code: "ALREADY_EXISTS",
    reason: "NUMBER_TAKEN",
    zh: `案号${text}已经存在`,
    en: `there is a case ${text} already`,
    details: { field: "number" },
  }),
});
