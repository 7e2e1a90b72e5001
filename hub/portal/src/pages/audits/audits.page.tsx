import { type AuditRow, AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { Checkbox, Input, Table } from "antd";
import { useAsk } from "../../ui/asking.ts";
import { useTexts } from "../../ui/language.ts";
import { More, useFilter, useRows } from "../../ui/list.tsx";
import { Shown } from "../../ui/shown.tsx";
import { fromLocalInput, useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { texts } from "./audits.texts.ts";

const dayMs = 86_400_000;

/** Who did what to which object and how it came out, newest first; the filters stand in the address bar. */
export default function AuditsPage() {
  const t = useTexts(texts);
  const { pageSize, more } = useRows();
  const [login, act, day, refused] = [useFilter("login"), useFilter("act"), useFilter("day"), useFilter("refused")];
  const fromMs = fromLocalInput(`${day.value}T00:00`);
  const days = Number.isNaN(fromMs) ? {} : { fromMs: BigInt(fromMs), toMs: BigInt(fromMs + dayMs) };
  const seen = useAsk(AuditsService.method.listAudits, {
    login: login.settled,
    act: act.settled,
    ...days,
    refused: refused.value !== "",
    pageSize,
  });
  const textFilter = (name: "login" | "act", filter: typeof login, label: string, maxLength: number) => (
    <Input
      allowClear
      maxLength={maxLength}
      placeholder={label}
      aria-label={label}
      value={filter.value}
      data-testid={`audit-${name}`}
      onChange={(event) => filter.set(event.target.value.trim())}
    />
  );
  return (
    <div className="page">
      <Title sub={t.sub}>{t.title}</Title>
      <div className="filters">
        {textFilter("login", login, t.login, 64)}
        {textFilter("act", act, t.actHint, 100)}
        <Input type="date" aria-label={t.day} value={day.value} data-testid="audit-day" onChange={(event) => day.set(event.target.value)} />
        <Checkbox
          className="nowrap"
          checked={refused.value !== ""}
          data-testid="audit-refused"
          onChange={(event) => refused.set(event.target.checked ? "1" : "")}
        >
          {t.refused}
        </Checkbox>
      </div>
      <Shown of={seen} isEmpty={(it) => it.rows.length === 0} empty={t.none}>
        {(it) => (
          <>
            <AuditTable rows={it.rows} />
            <More more={more} next={it.nextPageToken} text={t.more} />
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
        { title: t.number, width: 60, render: (_, it) => String(it.number) },
        { title: t.at, width: 155, render: (_, it) => <span className="nowrap">{instant(Number(it.atMs))}</span> },
        { title: t.who, width: 110, render: (_, it) => it.login || (it.userId ? t.program : t.nobody) },
        { title: t.act, width: 150, className: "wraps", render: (_, it) => <code>{it.act}</code> },
        { title: t.object, ellipsis: true, dataIndex: "objectId" },
        { title: t.site, width: 80, dataIndex: "siteId" },
        {
          title: t.outcome,
          width: 195,
          className: "wraps",
          render: (_, it) => (
            <>
              {it.outcome === "ok" ? t.ok : <strong className="refused">✕ {it.outcome}</strong>}
              {it.afterRevocation && <strong className="refused"> ⚠ {t.afterRevocation}</strong>}
            </>
          ),
        },
        { title: t.from, width: 115, className: "wraps", render: (_, it) => (it.roomId ? t.atRoom(roomName(it.roomId)) : it.from) },
      ]}
    />
  );
}
