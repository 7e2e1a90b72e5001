import { useMemo } from "react";
import { pageClock } from "../clock.ts";
import { defineTexts, useLanguage, useTexts } from "./language.ts";

const texts = defineTexts({
  zh: {
    seconds: (n: number) => `${n} 秒`,
    minutes: (n: number) => `${n} 分钟`,
    hours: (n: number) => `${n} 小时`,
    days: (n: number) => `${n} 天`,
  },
  en: {
    seconds: (n: number) => `${n} s`,
    minutes: (n: number) => `${n} min`,
    hours: (n: number) => `${n} h`,
    days: (n: number) => `${n} d`,
  },
});

/** Prints an age in milliseconds as a person says it. */
export function useAge(): (ms: number) => string {
  const t = useTexts(texts);
  return (ms) => {
    const seconds = Math.max(0, Math.round(ms / 1_000));
    if (seconds < 120) return t.seconds(seconds);
    if (seconds < 7_200) return t.minutes(Math.round(seconds / 60));
    if (seconds < 172_800) return t.hours(Math.round(seconds / 3_600));
    return t.days(Math.round(seconds / 86_400));
  };
}

/** Prints an instant (UTC ms) on the browser's clock; the day is left out where it is the present one. */
export function useInstant(): (ms: number) => string {
  const language = useLanguage();
  const formats = useMemo(() => {
    const locale = language === "zh" ? "zh-CN" : "en-GB";
    return {
      day: new Intl.DateTimeFormat(locale, { year: "numeric", month: "2-digit", day: "2-digit" }),
      time: new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }),
    };
  }, [language]);
  return (ms) => {
    const date = new Date(ms);
    const day = formats.day.format(date);
    const time = formats.time.format(date);
    return day === formats.day.format(pageClock.nowMs()) ? time : `${day} ${time}`;
  };
}

/** Prints from–to of one day without seconds: a line of the list. */
export function useSpanOfDay(): (fromMs: number, toMs: number) => string {
  const language = useLanguage();
  const format = useMemo(
    () => new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit", hour12: false }),
    [language],
  );
  return (fromMs, toMs) => `${format.format(new Date(fromMs))}–${format.format(new Date(toMs))}`;
}

/** 3725.4 s as 1:02:05, for take times. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3_600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** UTC ms as the value of a `datetime-local` input on the browser's clock, and back; NaN where it is none. */
export function toLocalInput(ms: number): string {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromLocalInput(text: string): number {
  return new Date(text).getTime();
}
