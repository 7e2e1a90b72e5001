import { PlusOutlined } from "@ant-design/icons";
import { type Case, CasesService, type ListCasesResponse, ProcedureSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Button, Input, Table, Tag } from "antd";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useSettled } from "../../clock.ts";
import { mayCall, useUser } from "../../session.tsx";
import { useAsk } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { CreateCase } from "./cases.create.tsx";
import { partiesText } from "./cases.parts.tsx";
import { texts } from "./cases.texts.ts";

const pageSize = 50;
const mostRows = 200;

export function CaseList() {
  const t = useTexts(texts);
  const user = useUser();
  const [params, setParams] = useSearchParams();
  const search = params.get("search") ?? "";
  const settled = useSettled(search, 250);
  const [rows, setRows] = useState(pageSize);
  const [creating, setCreating] = useState(false);
  const seen = useAsk(CasesService.method.listCases, { search: settled, pageSize: rows });
  const create = mayCall(user, CasesService.method.createCase) && (
    <Button type="primary" size="large" icon={<PlusOutlined />} onClick={() => setCreating(true)} data-testid="case-create">
      {t.create}
    </Button>
  );
  return (
    <div className="page">
      <Title actions={create}>{t.title}</Title>
      <Input.Search
        size="large"
        allowClear
        maxLength={100}
        placeholder={t.search}
        aria-label={t.search}
        value={search}
        data-testid="case-search"
        onChange={(event) => setParams(event.target.value ? { search: event.target.value } : {}, { replace: true })}
      />
      <Shown of={seen} isEmpty={(it) => it.cases.length === 0} empty={t.none}>
        {(it) => <CaseTable found={it} more={rows < mostRows ? () => setRows(mostRows) : undefined} />}
      </Shown>
      {creating && <CreateCase close={() => setCreating(false)} />}
    </div>
  );
}

function CaseTable({ found, more }: { found: ListCasesResponse; more: (() => void) | undefined }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  return (
    <>
      <Table<Case>
        rowKey="id"
        pagination={false}
        dataSource={found.cases}
        data-testid="case-table"
        columns={[
          {
            title: t.number,
            width: 230,
            render: (_, it) => (
              <Link to={`/cases/${it.id}`} className="case-number" data-testid={`case-${it.id}`}>
                {it.number?.text}
              </Link>
            ),
          },
          { title: t.caseTitle, dataIndex: "title", ellipsis: true },
          { title: t.cause, dataIndex: "cause", ellipsis: true },
          { title: t.procedure, width: 120, render: (_, it) => <Tag>{enumText(ProcedureSchema, it.procedure, language)}</Tag> },
          { title: t.parties, ellipsis: true, render: (_, it) => partiesText(it) },
          { title: t.created, width: 190, render: (_, it) => <span className="nowrap">{instant(Number(it.createdAtMs))}</span> },
        ]}
      />
      {found.nextPageToken && more && (
        <Button onClick={more} data-testid="more">
          {t.more}
        </Button>
      )}
    </>
  );
}
