import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Copies,
  type ListTakesRequestSchema,
  type Take,
  TakesService,
  TakeState,
  TakeStateSchema,
} from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Table, Tag } from "antd";
import { Link } from "react-router";
import { useAsk } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { clockText, useInstant } from "../../ui/times.ts";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { texts } from "./takes.texts.ts";

/** Takes that a filter finds. */
export function TakeTable({ filter, empty }: { filter: MessageInitShape<typeof ListTakesRequestSchema>; empty: string }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const roomName = useRoomNames();
  const seen = useAsk(TakesService.method.listTakes, filter, { everyMs: 5_000 });
  return (
    <Shown of={seen} isEmpty={(it) => it.takes.length === 0} empty={empty}>
      {(found) => (
        <Table<Take>
          rowKey="id"
          pagination={false}
          dataSource={found.takes}
          data-testid="take-table"
          columns={[
            {
              title: t.started,
              render: (_, it) => (
                <Link to={`/takes/${it.id}`} className="nowrap" data-testid={`take-${it.id}`}>
                  {instant(Number(it.startedAtMs))}
                </Link>
              ),
            },
            { title: t.name, render: (_, it) => it.title || <em>{t.untitled}</em> },
            { title: t.room, render: (_, it) => roomName(it.roomId) },
            { title: t.length, render: (_, it) => clockText(Number(it.lengthUs) / 1e6) },
            { title: t.state, render: (_, it) => <TakeStateTag state={it.state} /> },
            { title: t.copies, render: (_, it) => it.copies && <CopiesText copies={it.copies} /> },
          ]}
        />
      )}
    </Shown>
  );
}

const colours: Partial<Record<TakeState, string>> = { [TakeState.RECORDING]: "tag-green", [TakeState.PAUSED]: "tag-blue" };

export function TakeStateTag({ state }: { state: TakeState }) {
  const language = useLanguage();
  return (
    <Tag className={colours[state] ?? ""} data-testid="take-state" data-state={TakeState[state]}>
      {enumText(TakeStateSchema, state, language)}
    </Tag>
  );
}

/** What the hub holds of it, in numbers that can be checked. */
export function CopiesText({ copies }: { copies: Copies }) {
  const t = useTexts(texts);
  return (
    <span data-testid="copies" data-held={String(copies.parcelsHeld)} data-known={String(copies.parcelsKnown)}>
      {t.held(String(copies.parcelsHeld), String(copies.parcelsKnown))} ·{" "}
      {t.twice(String(copies.segmentsTwice), String(copies.segmentsFinished))}
      {copies.parcelsLost > 0n && ` · ${t.lost(String(copies.parcelsLost))}`}
    </span>
  );
}
