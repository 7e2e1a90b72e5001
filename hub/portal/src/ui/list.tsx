import { PlusOutlined } from "@ant-design/icons";
import { Button, Input } from "antd";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { useSettled } from "../clock.ts";
import { defineTexts, useTexts } from "./language.ts";
import { Title } from "./title.tsx";

const texts = defineTexts({
  zh: { more: "显示更多" },
  en: { more: "Show more" },
});

const pageSize = 50;
const mostRows = 200;
/** What is typed is asked about once it has stood still so long, ms. */
const settleMs = 250;

/** How many rows a list asks for: a page, and one larger page for who wants more. */
export function useRows(): { pageSize: number; more: (() => void) | undefined } {
  const [rows, setRows] = useState(pageSize);
  return { pageSize: rows, more: rows < mostRows ? () => setRows(mostRows) : undefined };
}

/** A filter that stands in the address bar, and its value once it has settled. */
export function useFilter(name: string): { value: string; settled: string; set: (value: string) => void } {
  const [params, setParams] = useSearchParams();
  const value = params.get(name) ?? "";
  const set = (next: string) =>
    setParams(
      (before) => {
        if (next === "") before.delete(name);
        else before.set(name, next);
        return before;
      },
      { replace: true },
    );
  return { value, settled: useSettled(value, settleMs), set };
}

interface ListHeadProps {
  title: string;
  /** What its test ids begin with. */
  noun: string;
  search: { value: string; set: (value: string) => void };
  searchHint: string;
  /** For whom may create: the button. */
  create: { text: string; open: () => void } | undefined;
}

/** A list's head: what it lists, what it is searched for, and the button for a new one. */
export function ListHead({ title, noun, search, searchHint, create }: ListHeadProps) {
  const button = create && (
    <Button type="primary" size="large" icon={<PlusOutlined />} onClick={create.open} data-testid={`${noun}-create`}>
      {create.text}
    </Button>
  );
  return (
    <>
      <Title actions={button}>{title}</Title>
      <Input.Search
        size="large"
        allowClear
        maxLength={100}
        placeholder={searchHint}
        aria-label={searchHint}
        value={search.value}
        data-testid={`${noun}-search`}
        onChange={(event) => search.set(event.target.value)}
      />
    </>
  );
}

/** Asks for the larger page, where there is more. */
export function More({ more, next, text }: { more: (() => void) | undefined; next: string; text?: string }) {
  const t = useTexts(texts);
  if (!more || next === "") return null;
  return (
    <Button onClick={more} data-testid="more">
      {text ?? t.more}
    </Button>
  );
}
