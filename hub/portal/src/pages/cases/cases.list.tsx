import { type Case, CasesService, ProcedureSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Table, Tag } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { mayCall, useUser } from "../../session.tsx";
import { useAsk } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { ListHead, More, useFilter, useRows } from "../../ui/list.tsx";
import { Shown } from "../../ui/shown.tsx";
import { useInstant } from "../../ui/times.ts";
import { CreateCase } from "./cases.create.tsx";
import { partiesText } from "./cases.parts.tsx";
import { texts } from "./cases.texts.ts";

export function CaseList() {
  const t = useTexts(texts);
  const user = useUser();
  const search = useFilter("search");
  const { pageSize, more } = useRows();
  const [creating, setCreating] = useState(false);
  const seen = useAsk(CasesService.method.listCases, { search: search.settled, pageSize });
  const create = mayCall(user, CasesService.method.createCase) ? { text: t.create, open: () => setCreating(true) } : undefined;
  return (
    <div className="page">
      <ListHead title={t.title} noun="case" search={search} searchHint={t.search} create={create} />
      <Shown of={seen} isEmpty={(it) => it.cases.length === 0} empty={t.none}>
        {(it) => (
          <>
            <CaseTable cases={it.cases} />
            <More more={more} next={it.nextPageToken} />
          </>
        )}
      </Shown>
      {creating && <CreateCase close={() => setCreating(false)} />}
    </div>
  );
}

function CaseTable({ cases }: { cases: Case[] }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  return (
    <>
      <Table<Case>
        rowKey="id"
        pagination={false}
        dataSource={cases}
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
    </>
  );
}
