import type { Language } from "../../ui/language.ts";

/** Marks by key, the type as data: what a clerk sets on the Desk and everybody finds on the Take. The last one asks for its text. */
export const markTypes = [
  { key: "1", type: "opening", zh: "开庭", en: "opening" },
  { key: "2", type: "identity", zh: "核对身份", en: "identity" },
  { key: "3", type: "statement", zh: "陈述", en: "statement" },
  { key: "4", type: "evidence", zh: "举证质证", en: "evidence" },
  { key: "5", type: "witness", zh: "证人", en: "witness" },
  { key: "6", type: "debate", zh: "辩论", en: "debate" },
  { key: "7", type: "last-word", zh: "最后陈述", en: "last word" },
  { key: "8", type: "dispute", zh: "争议", en: "dispute" },
  { key: "9", type: "note", zh: "附注", en: "note", asks: true },
] as const;

/** Set by the room itself. */
const ownTypes = [
  { type: "start", zh: "开始录制", en: "recording starts" },
  { type: "end", zh: "结束录制", en: "recording ends" },
  { type: "pause", zh: "暂停", en: "paused" },
  { type: "resume", zh: "恢复", en: "resumed" },
] as const;

export function markText(type: string, language: Language): string {
  return [...markTypes, ...ownTypes].find((it) => it.type === type)?.[language] ?? type;
}
