import { GapCauseSchema, InterruptionReasonSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { GapInfo, Take, TrackInfo } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Button } from "antd";
import { useSyncExternalStore } from "react";
import type { Player } from "../../media/player.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { clockText } from "../../ui/times.ts";
import { markText } from "./takes.marks.ts";
import { texts } from "./takes.texts.ts";

const seconds = (us: bigint) => Number(us) / 1e6;

interface TimelineProps {
  take: Take;
  player: Player;
}

/** The whole take from left to right: a line for each track, pauses across all, marks on top. A slider for keys and pointer alike. */
export function Timeline({ take, player }: TimelineProps) {
  const state = useSyncExternalStore(player.subscribe, player.snapshot);
  const t = useTexts(texts);
  const language = useLanguage();
  const lengthS = Math.max(seconds(take.lengthUs), state.endS, 1);
  const share = (s: number) => `${(Math.max(0, Math.min(s, lengthS)) / lengthS) * 100}%`;
  const place = (fromS: number, toS: number) => ({ left: share(fromS), width: `calc(${share(toS)} - ${share(fromS)})` });
  return (
    <section className="timeline" data-testid="timeline" data-length={lengthS}>
      <div className="timeline-marks">
        {take.marks.map((it) => (
          <button
            key={it.id}
            type="button"
            style={{ left: share(seconds(it.atUs)) }}
            title={`${clockText(seconds(it.atUs))} ${markText(it.type, language)} ${it.text}`}
            aria-label={`${markText(it.type, language)} ${it.text}`}
            data-testid={`timeline-mark-${it.type}`}
            onClick={() => player.seek(seconds(it.atUs))}
          />
        ))}
      </div>
      <div className="timeline-tracks" aria-hidden="true">
        {take.tracks.map((track) => (
          <TrackLine
            key={track.number}
            track={track}
            gaps={take.gaps.filter((it) => it.track === track.number)}
            place={place}
            lengthS={lengthS}
          />
        ))}
        {take.spans
          .filter((it) => it.type === "paused")
          .map((it) => (
            <span
              key={it.id}
              className="timeline-pause"
              style={place(seconds(it.fromUs), it.toUs === 0n ? lengthS : seconds(it.toUs))}
              title={t.pausedSpan(enumText(InterruptionReasonSchema, it.reason, language), it.decidedBy)}
            />
          ))}
        <span className="timeline-head" style={{ left: share(state.atS) }} />
      </div>
      <input
        type="range"
        min="0"
        max={lengthS}
        step="0.04"
        value={Math.min(state.atS, lengthS)}
        aria-label={t.timeline}
        aria-valuetext={clockText(state.atS)}
        data-testid="seek"
        onChange={(event) => player.seek(Number(event.target.value))}
        // The page's own arrow keys move by 10 s; the slider's would move by frames.
        onKeyDown={(event) => event.key.startsWith("Arrow") && event.preventDefault()}
      />
    </section>
  );
}

interface TrackLineProps {
  track: TrackInfo;
  gaps: GapInfo[];
  lengthS: number;
  place: (fromS: number, toS: number) => React.CSSProperties;
}

function TrackLine({ track, gaps, lengthS, place }: TrackLineProps) {
  const t = useTexts(texts);
  return (
    <div className="timeline-track">
      {track.stretches.map((it) => (
        <i key={it.number} style={place(seconds(it.fromUs), it.toUs > it.fromUs ? seconds(it.toUs) : lengthS)} />
      ))}
      {gaps.map((it) => (
        <b
          key={String(it.fromUs)}
          className="timeline-gap"
          style={place(seconds(it.fromUs), seconds(it.toUs))}
          title={t.gapOf(track.label || track.id)}
        />
      ))}
    </div>
  );
}

/** The same in words: where marks and gaps lie and why. */
export function MarksAndGaps({ take, player }: TimelineProps) {
  const t = useTexts(texts);
  const language = useLanguage();
  const label = (number: number) => {
    const track = take.tracks.find((it) => it.number === number);
    return track?.label || track?.id || String(number);
  };
  const why = (gap: GapInfo) =>
    gap.parts
      .map((it) => `${enumText(GapCauseSchema, it.cause, language)} ${(seconds(it.toUs) - seconds(it.fromUs)).toFixed(2)} s`)
      .join(" · ");
  const jump = (us: bigint, text: string) => (
    <Button type="link" size="small" onClick={() => player.seek(seconds(us))}>
      {clockText(seconds(us))} {text}
    </Button>
  );
  return (
    <>
      <section className="panel" data-testid="take-marks">
        <h2>{t.marks}</h2>
        {take.marks.length === 0 && <p className="quiet">{t.noMarks}</p>}
        {take.marks.map((it) => (
          <div key={it.id} data-type={it.type}>
            {jump(it.atUs, [markText(it.type, language), it.text].filter(Boolean).join(" · "))} <small>{it.userName}</small>
          </div>
        ))}
        {take.spans
          .filter((it) => it.type === "paused")
          .map((it) => (
            <div key={it.id} data-testid="take-pause">
              {jump(it.fromUs, t.pausedSpan(enumText(InterruptionReasonSchema, it.reason, language), it.decidedBy))}
            </div>
          ))}
      </section>
      <section className="panel" data-testid="take-gaps">
        <h2>{t.gaps}</h2>
        {take.gaps.length === 0 && <p className="quiet">{t.noGaps}</p>}
        {take.gaps.map((it) => (
          <div key={`${it.track} ${it.fromUs}`} data-track={it.track}>
            {jump(it.fromUs, label(it.track))}{" "}
            <small>
              {why(it)}
              {it.lostPackets > 0 && ` · ${t.lostPackets(it.lostPackets)}`}
            </small>
          </div>
        ))}
      </section>
    </>
  );
}
