import { type AuditRow, AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { Button, Checkbox, Input, Table } from "antd";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { useSettled } from "../../clock.ts";
import { useAsk } from "../../ui/asking.ts";
import { useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { fromLocalInput, useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { texts } from "./audits.texts.ts";

const pageSize = 50;
const mostRows = 200;
const dayMs = 86_400_000;

/** Who did what to which object and how it came out, newest first; the filters stand in the address bar. */
export default function AuditsPage() {
  const t = useTexts(texts);
  const [params, setParams] = useSearchParams();
  const [rows, setRows] = useState(pageSize);
  const login = useSettled(params.get("login") ?? "", 250);
  const act = useSettled(params.get("act") ?? "", 250);
  const fromMs = fromLocalInput(`${params.get("day") ?? ""}T00:00`);
  const days = Number.isNaN(fromMs) ? {} : { fromMs: BigInt(fromMs), toMs: BigInt(fromMs + dayMs) };
  const seen = useAsk(AuditsService.method.listAudits, { login, act, ...days, refused: params.has("refused"), pageSize: rows });
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        if (value === "") before.delete(name);
        else before.set(name, value);
        return before;
      },
      { replace: true },
    );
  const textFilter = (name: "login" | "act", label: string, maxLength: number) => (
    <Input
      allowClear
      maxLength={maxLength}
      placeholder={label}
      aria-label={label}
      value={params.get(name) ?? ""}
      data-testid={`audit-${name}`}
      onChange={(event) => set(name, event.target.value.trim())}
    />
  );
  return (
    <div className="page">
      <Title sub={t.sub}>{t.title}</Title>
      <div className="filters">
        {textFilter("login", t.login, 64)}
        {textFilter("act", t.actHint, 100)}
        <Input
          type="date"
          aria-label={t.day}
          value={params.get("day") ?? ""}
          data-testid="audit-day"
          onChange={(event) => set("day", event.target.value)}
        />
        <Checkbox
          className="nowrap"
          checked={params.has("refused")}
          data-testid="audit-refused"
          onChange={(event) => set("refused", event.target.checked ? "1" : "")}
        >
          {t.refused}
        </Checkbox>
      </div>
      <Shown of={seen} isEmpty={(it) => it.rows.length === 0} empty={t.none}>
        {(it) => (
          <>
            <AuditTable rows={it.rows} />
            {it.nextPageToken && rows < mostRows && (
              <Button onClick={() => setRows(mostRows)} data-testid="more">
                {t.more}
              </Button>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}

function AuditTable({ rows }: { rows: AuditRow[] }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const roomName = useRoomNames();
  return (
    <Table<AuditRow>
      rowKey={(it) => String(it.number)}
      size="small"
      pagination={false}
      dataSource={rows}
      data-testid="audit-table"
      columns={[
        { title: t.number, width: 90, render: (_, it) => String(it.number) },
        { title: t.at, width: 170, render: (_, it) => <span className="nowrap">{instant(Number(it.atMs))}</span> },
        { title: t.who, width: 130, render: (_, it) => it.login || (it.userId ? t.program : t.nobody) },
        { title: t.act, ellipsis: true, render: (_, it) => <code>{it.act}</code> },
        { title: t.object, ellipsis: true, dataIndex: "objectId" },
        { title: t.site, width: 110, dataIndex: "siteId" },
        {
          title: t.outcome,
          ellipsis: true,
          render: (_, it) => (
            <>
              {it.outcome === "ok" ? t.ok : <strong className="refused">✕ {it.outcome}</strong>}
              {it.afterRevocation && <strong className="refused"> ⚠ {t.afterRevocation}</strong>}
            </>
          ),
        },
        { title: t.from, width: 150, ellipsis: true, render: (_, it) => (it.roomId ? t.atRoom(roomName(it.roomId)) : it.from) },
      ]}
    />
  );
}
