import { HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import {
  ReadingCopyState,
  ReadingCopyStateSchema,
  type Take,
  TakesService,
  TakeState,
  type TrackInfo,
  type WatchTakeResponse,
} from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Table } from "antd";
import { useState } from "react";
import { useParams } from "react-router";
import type { Player } from "../../media/player.ts";
import { mayCall, useUser } from "../../session.tsx";
import { useAsk, useWatch } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { Failure, Shown } from "../../ui/shown.tsx";
import { clockText, useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { CaseLinks } from "../cases/cases.parts.tsx";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { startPlayer, TakePlayer } from "./takes.player.tsx";
import { CopiesText, TakeStateTag } from "./takes.parts.tsx";
import { texts } from "./takes.texts.ts";
import "./take.css";

const pick = (message: WatchTakeResponse) => message.take;

export function TakeOne() {
  const { takeId = "" } = useParams();
  const seen = useWatch(TakesService.method.watchTake, { takeId }, pick);
  return (
    <div className="page page-wide">
      <Shown of={seen}>
        {(take) => (
          <>
            <TakeTitle take={take} />
            <Playing key={take.id} take={take} />
            <TrackTable take={take} />
          </>
        )}
      </Shown>
    </div>
  );
}

function TakeTitle({ take }: { take: Take }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const roomName = useRoomNames();
  return (
    <Title
      state={<TakeStateTag state={take.state} />}
      sub={
        <>
          {roomName(take.roomId)} · {instant(Number(take.startedAtMs))} · {clockText(Number(take.lengthUs) / 1e6)} · {t.by(take.startedBy)}
          {take.copies && (
            <>
              {" · "}
              <CopiesText copies={take.copies} />
            </>
          )}
        </>
      }
      actions={<TakeCases take={take} />}
    >
      {take.title || t.untitled}
    </Title>
  );
}

/** The cases of the take's first hearing; nothing for whom papers are not. */
function TakeCases({ take }: { take: Take }) {
  const user = useUser();
  const hearingId = take.hearings[0]?.hearingId ?? "";
  const enabled = hearingId !== "" && mayCall(user, HearingsService.method.getHearing);
  const hearing = valueOf(useAsk(HearingsService.method.getHearing, { hearingId }, { enabled }))?.hearing;
  return hearing && <CaseLinks cases={hearing.cases} />;
}

/** Nothing is fetched before somebody asks to play: that is a right, and an audit row. */
function Playing({ take }: { take: Take }) {
  const t = useTexts(texts);
  const play = useCommand(TakesService.method.playTake);
  const [playing, setPlaying] = useState<{ mediaBase: string; player: Player }>();
  const begin = async (answer: ReturnType<typeof play.run>) => {
    const granted = await answer;
    if (granted) setPlaying({ mediaBase: granted.mediaBase, player: startPlayer(take) });
  };
  if (playing)
    return (
      <>
        <TakePlayer take={take} {...playing} />
        <ReadingCopyLine take={take} />
      </>
    );
  return (
    <section className="before-play">
      <button
        type="button"
        className="play-first"
        onClick={() => void begin(play.run({ takeId: take.id }))}
        disabled={play.busy}
        data-testid="play-first"
        autoFocus
      >
        <span aria-hidden="true">▶</span>
        {t.play}
      </button>
      <p>{t.playHint}</p>
      {take.state !== TakeState.ENDED && <p>{t.recordingNote}</p>}
      <Failure error={play.error} again={() => void begin(play.again())} />
    </section>
  );
}

function ReadingCopyLine({ take }: { take: Take }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const copy = take.readingCopy;
  if (!copy || copy.state === ReadingCopyState.UNSPECIFIED) return null;
  return (
    <p className="reading-copy" data-testid="reading-copy" data-state={ReadingCopyState[copy.state]}>
      {t.readingCopy}：
      {copy.state === ReadingCopyState.READY ? (
        <audio controls preload="none" src={copy.url} />
      ) : (
        enumText(ReadingCopyStateSchema, copy.state, language)
      )}
      {copy.reason && ` · ${copy.reason}`}
    </p>
  );
}

function TrackTable({ take }: { take: Take }) {
  const t = useTexts(texts);
  return (
    <details className="track-table">
      <summary>{t.evidence}</summary>
      <Table<TrackInfo>
        rowKey="number"
        size="small"
        pagination={false}
        dataSource={take.tracks}
        columns={[
          { title: t.track, render: (_, it) => `${it.kind === TrackKind.VIDEO ? "▣" : "♪"} ${it.label || it.id}` },
          {
            title: t.codec,
            render: (_, it) =>
              [
                ...new Set(it.stretches.map((stretch) => `${stretch.codec}${stretch.width ? ` ${stretch.width}×${stretch.height}` : ""}`)),
              ].join("，"),
          },
          { title: t.stretches, render: (_, it) => it.stretches.length },
          { title: t.parcels, render: (_, it) => String(it.parcels) },
          { title: t.size, render: (_, it) => `${(Number(it.bytes) / 1e6).toFixed(1)} MB` },
        ]}
      />
    </details>
  );
}
