import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Hearing,
  HearingKindSchema,
  HearingsService,
  HearingState,
  HearingStateSchema,
  type ListHearingsRequestSchema,
  Publicity,
  PublicitySchema,
} from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { Button, Table, Tag } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { mayCall, useUser } from "../../session.tsx";
import { useAsk } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { useInstant, useSpanOfDay } from "../../ui/times.ts";
import { CaseLinks } from "../cases/cases.parts.tsx";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { CancelHearing, LinkCases, SettleTakes } from "./hearings.dialogs.tsx";
import { texts } from "./hearings.texts.ts";

export { ListHearing } from "./hearings.form.tsx";

interface HearingTableProps {
  filter: MessageInitShape<typeof ListHearingsRequestSchema>;
  /** Of what the filter finds, these. */
  only?: (hearing: Hearing) => boolean;
  empty: string;
}

/** Hearings that a filter finds, with what can be done about each. */
export function HearingTable({ filter, only = () => true, empty }: HearingTableProps) {
  const t = useTexts(texts);
  const language = useLanguage();
  const roomName = useRoomNames();
  const seen = useAsk(HearingsService.method.listHearings, filter, { everyMs: 10_000 });
  return (
    <Shown of={seen} isEmpty={(it) => !it.hearings.some(only)} empty={empty}>
      {(found) => (
        <Table<Hearing>
          rowKey="id"
          pagination={false}
          dataSource={found.hearings.filter(only)}
          data-testid="hearing-table"
          columns={[
            { title: t.time, render: (_, it) => <HearingTime hearing={it} /> },
            { title: t.room, render: (_, it) => roomName(it.roomId) },
            {
              title: t.kind,
              render: (_, it) => (
                <>
                  {enumText(HearingKindSchema, it.kind, language)}{" "}
                  {it.publicity === Publicity.NOT_PUBLIC && (
                    <Tag className="tag-amber" title={it.publicityGround}>
                      {enumText(PublicitySchema, it.publicity, language)}
                    </Tag>
                  )}
                </>
              ),
            },
            {
              title: t.cases,
              render: (_, it) => (it.cases.length > 0 ? <CaseLinks cases={it.cases} /> : <em>{it.title || t.noCases}</em>),
            },
            { title: t.state, render: (_, it) => <HearingStateTag hearing={it} /> },
            { title: t.takes, render: (_, it) => <TakeLinks hearing={it} /> },
            { title: t.actions, render: (_, it) => <HearingActions hearing={it} /> },
          ]}
        />
      )}
    </Shown>
  );
}

function HearingTime({ hearing }: { hearing: Hearing }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const span = useSpanOfDay();
  if (hearing.listedFromMs === 0n) return <em>{t.unlisted}</em>;
  return (
    <span className="nowrap" title={span(Number(hearing.listedFromMs), Number(hearing.listedToMs))}>
      {instant(Number(hearing.listedFromMs)).slice(0, -3)}–{span(0, Number(hearing.listedToMs)).split("–")[1]}
    </span>
  );
}

function HearingStateTag({ hearing }: { hearing: Hearing }) {
  const t = useTexts(texts);
  const language = useLanguage();
  return (
    <Tag data-testid={`hearing-state-${hearing.id}`}>
      {enumText(HearingStateSchema, hearing.state, language)}
      {hearing.waitsForHearingId && ` · ${t.waits}`}
      {hearing.contested && <b className="refused"> · {t.contested}</b>}
    </Tag>
  );
}

function TakeLinks({ hearing }: { hearing: Hearing }) {
  const t = useTexts(texts);
  return [...new Set(hearing.takes.map((it) => it.takeId))].map((id, index) => (
    <Link key={id} to={`/takes/${id}`} className="nowrap" data-testid={`hearing-take-${id}`}>
      {t.play} {index + 1}{" "}
    </Link>
  ));
}

function HearingActions({ hearing }: { hearing: Hearing }) {
  const t = useTexts(texts);
  const user = useUser();
  const [open, setOpen] = useState<"link" | "cancel" | "settle">();
  const close = () => setOpen(undefined);
  return (
    <>
      {hearing.cases.length === 0 && mayCall(user, HearingsService.method.linkCases) && (
        <Button size="small" onClick={() => setOpen("link")} data-testid={`hearing-link-${hearing.id}`}>
          {t.link}
        </Button>
      )}
      {hearing.state === HearingState.LISTED && mayCall(user, HearingsService.method.cancelHearing) && (
        <Button size="small" onClick={() => setOpen("cancel")} data-testid={`hearing-cancel-${hearing.id}`}>
          {t.cancelHearing}
        </Button>
      )}
      {hearing.contested && mayCall(user, HearingsService.method.settleTakes) && (
        <Button size="small" danger onClick={() => setOpen("settle")} data-testid={`hearing-settle-${hearing.id}`}>
          {t.settle}
        </Button>
      )}
      {open === "settle" && <SettleTakes hearing={hearing} close={close} />}
      {open === "link" && <LinkCases hearingId={hearing.id} close={close} />}
      {open === "cancel" && <CancelHearing hearingId={hearing.id} close={close} />}
    </>
  );
}
