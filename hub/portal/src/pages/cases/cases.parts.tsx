import { type Case, CasesService } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Select } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { useSettled } from "../../clock.ts";
import { useAsk } from "../../ui/asking.ts";
import { useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { texts } from "./cases.texts.ts";

export function partiesText(it: Case): string {
  return it.parties.map((party) => `${party.role}${party.name}`).join("；");
}

/** Cases as links, one line. */
export function CaseLinks({ cases }: { cases: readonly Case[] }) {
  return (
    <span className="case-links">
      {cases.map((it) => (
        <Link key={it.id} to={`/cases/${it.id}`} className="case-number">
          {it.number?.text}
        </Link>
      ))}
    </span>
  );
}

/** Chooses cases by number, title or party. */
export function CasePicker({ value, onChange }: { value?: string[]; onChange?: (ids: string[]) => void }) {
  const t = useTexts(texts);
  const [search, setSearch] = useState("");
  const found = valueOf(useAsk(CasesService.method.listCases, { search: useSettled(search, 250), pageSize: 20 }))?.cases ?? [];
  return (
    <Select
      mode="multiple"
      value={value ?? []}
      placeholder={t.search}
      aria-label={t.search}
      showSearch={{ filterOption: false, onSearch: setSearch }}
      data-testid="case-picker"
      options={found.map((it) => ({ value: it.id, label: `${it.number?.text ?? ""} ${it.title}` }))}
      {...(onChange ? { onChange } : {})}
    />
  );
}
