import { type Hearing, HearingKindSchema, HearingState, HearingStateSchema } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import type { Desk } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { Input, Radio } from "antd";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { useInstant, useSpanOfDay } from "../../ui/times.ts";
import { texts } from "./clerk.texts.ts";

/** Which hearing the button will start: one of today's list, or none of it (`hearingId` empty). */
export interface Choice {
  hearingId: string;
  title: string;
}

/** The first hearing of the list that has not been held: what a clerk most likely wants. */
export function likeliest(listings: readonly Hearing[]): string {
  return listings.find((it) => it.state === HearingState.LISTED)?.id ?? "";
}

export function TodaysList({
  desk,
  choice,
  choose,
  mayStart,
}: {
  desk: Desk;
  choice: Choice;
  choose: (choice: Choice) => void;
  mayStart: boolean;
}) {
  const t = useTexts(texts);
  const instant = useInstant();
  const listed = desk.listings.filter((it) => it.state === HearingState.LISTED);
  const over = desk.listings.filter((it) => it.state !== HearingState.LISTED);
  const line = (it: Hearing) => (
    <Radio key={it.id} value={it.id} disabled={it.state !== HearingState.LISTED} data-testid={`listing-${it.id}`}>
      <Listing hearing={it} />
    </Radio>
  );
  return (
    <section className="panel">
      <h2>{t.today}</h2>
      <Radio.Group
        className="listings"
        value={choice.hearingId}
        disabled={!mayStart}
        onChange={(event) => choose({ ...choice, hearingId: String(event.target.value) })}
        data-testid="listings"
      >
        {listed.map(line)}
        {desk.listings.length === 0 && <p className="quiet">{t.nothingListed}</p>}
        <Radio value="" data-testid="unlisted">
          <b>{t.unlisted}</b>
        </Radio>
        {over.map(line)}
      </Radio.Group>
      {choice.hearingId === "" && mayStart && (
        <Input
          maxLength={200}
          placeholder={t.unlistedTitle}
          aria-label={t.unlistedTitle}
          value={choice.title}
          data-testid="unlisted-title"
          onChange={(event) => choose({ ...choice, title: event.target.value })}
        />
      )}
      {desk.listingsAtMs > 0n && <p className="proven">{t.listAt(instant(Number(desk.listingsAtMs)))}</p>}
    </section>
  );
}

function Listing({ hearing }: { hearing: Hearing }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const span = useSpanOfDay();
  return (
    <span className="listing">
      <b>
        {span(Number(hearing.listedFromMs), Number(hearing.listedToMs))} {enumText(HearingKindSchema, hearing.kind, language)}
      </b>
      <span>{hearing.cases.map((it) => it.number?.text).join("、") || hearing.title}</span>
      <small>
        {hearing.cases[0]?.title ?? hearing.title}
        {hearing.state !== HearingState.LISTED && ` · ${enumText(HearingStateSchema, hearing.state, language)}`}
        {hearing.waitsForHearingId && ` · ${t.overdue}`}
      </small>
    </span>
  );
}
