import { type DescEnum, getOption } from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { text } from "@xiezhi/protos/gen/xiezhi/texts/v1/texts_pb.js";
import { useSyncExternalStore } from "react";

export type Language = "zh" | "en";

const key = "xiezhi.language";
const listeners = new Set<() => void>();
let current: Language = globalThis.localStorage?.getItem(key) === "en" ? "en" : "zh";
applyToPage();

export function setLanguage(language: Language): void {
  current = language;
  localStorage.setItem(key, language);
  applyToPage();
  for (const listener of listeners) listener();
}

export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, () => current);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function applyToPage(): void {
  if (globalThis.document) document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
}

/** Both languages of a page's words. The type is the Chinese one: a missing English line doesn't compile. */
export function defineTexts<T>(texts: { zh: T; en: NoInfer<T> }): Record<Language, T> {
  return texts;
}

export function useTexts<T>(texts: Record<Language, T>): T {
  return texts[useLanguage()];
}

/** What the contract calls an enum's value; a dash where none was given, its number where the page is older than the server. */
export function enumText(schema: DescEnum, value: number, language: Language): string {
  if (value === 0) return "—";
  const described = schema.value[value];
  return (described && getOption(described, text)[language]) || String(value);
}

/** The values of an enum that have words, in the contract's order: what a person may choose. */
export function enumOptions(schema: DescEnum, language: Language): { value: number; label: string }[] {
  return schema.values.filter((it) => it.number !== 0).map((it) => ({ value: it.number, label: enumText(schema, it.number, language) }));
}

export function errorText(error: XiezhiError, language: Language): string {
  return error[language] || error.en || error.reason;
}
