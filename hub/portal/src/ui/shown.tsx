import { Alert, Button, Empty, Spin } from "antd";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import type { ReactNode } from "react";
import { useNowMs } from "../clock.ts";
import { defineTexts, errorText, useLanguage, useTexts } from "./language.ts";
import type { Seen } from "./seen.ts";
import { useAge, useInstant } from "./times.ts";

const texts = defineTexts({
  zh: {
    loading: "正在读取",
    refused: "不予显示",
    stale: "以下内容已不是最新",
    since: (instant: string, age: string) => `最后证实于 ${instant}（${age}前）`,
    never: "暂时读不到，正在重试",
    proven: (instant: string) => `证实于 ${instant}`,
    again: "重试",
  },
  en: {
    loading: "Loading",
    refused: "Not shown",
    stale: "What stands here is no longer current",
    since: (instant: string, age: string) => `last proven at ${instant} (${age} ago)`,
    never: "can't be read now; trying again",
    proven: (instant: string) => `proven at ${instant}`,
    again: "Try again",
  },
});

interface ShownProps<T> {
  of: Seen<T>;
  /** Said when there is nothing to show, as `isEmpty` tells. */
  empty?: string;
  isEmpty?: (value: T) => boolean;
  children: (value: T) => ReactNode;
}

/** The four states of everything on a page, once: loading, empty, refused, stale. */
export function Shown<T>({ of, empty, isEmpty, children }: ShownProps<T>) {
  const t = useTexts(texts);
  if (of.state === "loading")
    return (
      <div className="shown-loading" data-testid="loading" role="status">
        <Spin /> <span>{t.loading}</span>
      </div>
    );
  if (of.state === "refused") return <Refused error={of.error} />;
  const value = of.value;
  return (
    <div className="shown" data-testid={of.state === "stale" ? "stale" : "live"}>
      {of.state === "stale" && <StaleLine sinceMs={of.sinceMs} error={of.error} known={value !== undefined} />}
      {value !== undefined &&
        (isEmpty?.(value) ? <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={empty} data-testid="empty" /> : children(value))}
      {of.state === "live" && <ProvenLine atMs={of.provenAtMs} />}
    </div>
  );
}

export function Refused({ error }: { error: XiezhiError }) {
  const language = useLanguage();
  const t = useTexts(texts);
  return (
    <Alert
      data-testid="refused"
      data-reason={error.reason}
      type="error"
      showIcon
      title={t.refused}
      description={
        <>
          <p>{errorText(error, language)}</p>
          <code>{error.reason}</code>
        </>
      }
    />
  );
}

/** What went wrong with something a person asked for; nothing while nothing did. */
export function Failure({ error, again }: { error: XiezhiError | undefined; again?: () => void }) {
  const language = useLanguage();
  const t = useTexts(texts);
  if (!error) return null;
  const action = again && (
    <Button size="small" onClick={again}>
      {t.again}
    </Button>
  );
  return (
    <Alert data-testid="failure" data-reason={error.reason} type="error" showIcon title={errorText(error, language)} action={action} />
  );
}

function StaleLine({ sinceMs, error, known }: { sinceMs: number; error: XiezhiError | undefined; known: boolean }) {
  const language = useLanguage();
  const t = useTexts(texts);
  const instant = useInstant();
  const age = useAge();
  const nowMs = useNowMs();
  const title = known ? `${t.stale} · ${t.since(instant(sinceMs), age(nowMs - sinceMs))}` : t.never;
  return <Alert className="shown-stale" type="warning" showIcon title={title} description={error && errorText(error, language)} />;
}

function ProvenLine({ atMs }: { atMs: number }) {
  const t = useTexts(texts);
  const instant = useInstant();
  return (
    <p className="proven" data-testid="proven" data-at={atMs}>
      {t.proven(instant(atMs))}
    </p>
  );
}
