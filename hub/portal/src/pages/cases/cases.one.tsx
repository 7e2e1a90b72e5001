import { CalendarOutlined } from "@ant-design/icons";
import { CasesService, NumberKind, NumberKindSchema, ProcedureSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { Button, Descriptions, Tag } from "antd";
import { useState } from "react";
import { useParams } from "react-router";
import { mayCall, useUser } from "../../session.tsx";
import { useAsk } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { Shown } from "../../ui/shown.tsx";
import { useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { HearingTable, ListHearing } from "../hearings/hearings.parts.tsx";
import { TakeTable } from "../takes/takes.parts.tsx";
import { texts } from "./cases.texts.ts";

export function CaseOne() {
  const { caseId = "" } = useParams();
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  const user = useUser();
  const [listing, setListing] = useState(false);
  const sites = valueOf(useAsk(SitesService.method.listSites, {}))?.sites ?? [];
  const siteName = (id: string) => sites.find((site) => site.id === id)?.name ?? id;
  const seen = useAsk(CasesService.method.getCase, { caseId });
  const list = mayCall(user, HearingsService.method.createHearing) && (
    <Button type="primary" size="large" icon={<CalendarOutlined />} onClick={() => setListing(true)} data-testid="hearing-list">
      {t.list}
    </Button>
  );
  return (
    <div className="page">
      <Shown of={seen}>
        {({ case: it }) =>
          it && (
            <>
              <Title
                sub={it.title}
                actions={list}
                state={it.number?.kind !== NumberKind.STANDARD && <Tag>{enumText(NumberKindSchema, it.number?.kind ?? 0, language)}</Tag>}
              >
                <span className="case-number" data-testid="case-one-number">
                  {it.number?.text}
                </span>
              </Title>
              <Descriptions
                bordered
                size="small"
                column={2}
                items={[
                  { key: "cause", label: t.cause, children: it.cause || "—" },
                  { key: "procedure", label: t.procedure, children: enumText(ProcedureSchema, it.procedure, language) },
                  {
                    key: "parties",
                    label: t.parties,
                    span: 2,
                    children: it.parties.map((party) => `${party.role}：${party.name}`).join("；") || "—",
                  },
                  { key: "created", label: t.created, children: instant(Number(it.createdAtMs)) },
                  { key: "site", label: t.site, children: siteName(it.siteId) },
                ]}
              />
              {listing && <ListHearing of={it} close={() => setListing(false)} />}
            </>
          )
        }
      </Shown>
      {seen.state !== "refused" && seen.state !== "loading" && (
        <>
          <h2>{t.hearings}</h2>
          <HearingTable filter={{ caseId, pageSize: 100 }} empty={t.noHearings} />
          <h2>{t.takes}</h2>
          <TakeTable filter={{ caseId, pageSize: 100 }} empty={t.noTakes} />
        </>
      )}
    </div>
  );
}
