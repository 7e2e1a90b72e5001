import type { DeskTrack } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { SourceState, SourceStateSchema } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { useEffect, useRef } from "react";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { texts } from "./clerk.texts.ts";
import type { Levels } from "./watching.ts";

/** Below this nothing is heard, dBFS. */
const floorDb = -60;

/** A level bar for each seat's microphone. */
export function SoundBars({ tracks, levels, live }: { tracks: DeskTrack[]; levels: Levels; live: boolean }) {
  const t = useTexts(texts);
  return (
    <section className="panel" aria-label={t.seats}>
      <h2>{t.seats}</h2>
      {tracks.map((track) => (
        <SoundBar key={track.number} track={track} levels={levels} live={live} />
      ))}
    </section>
  );
}

function SoundBar({ track, levels, live }: { track: DeskTrack; levels: Levels; live: boolean }) {
  const language = useLanguage();
  const bar = useRef<HTMLElement>(null);
  const peak = useRef<HTMLElement>(null);
  useEffect(() => {
    const paint = () => {
      const level = levels.of(track.number);
      if (!level || !bar.current || !peak.current) return;
      bar.current.style.clipPath = `inset(0 ${(1 - share(level.rmsDbfs)) * 100}% 0 0)`;
      peak.current.style.left = `${share(level.peakDbfs) * 100}%`;
      bar.current.dataset["db"] = level.rmsDbfs.toFixed(1);
    };
    paint();
    return levels.subscribe(paint);
  }, [levels, track.number]);
  const running = track.source === SourceState.RUNNING;
  return (
    <div className={`sound ${running && live ? "" : "sound-off"}`} data-testid={`level-${track.seatId || track.id}`}>
      <span>{track.label || track.id}</span>
      <div className="sound-bar">
        <i ref={bar} />
        <b ref={peak} />
      </div>
      {!running && <em>{enumText(SourceStateSchema, track.source, language)}</em>}
    </div>
  );
}

function share(db: number): number {
  return Math.max(0, Math.min(1, (db - floorDb) / -floorDb));
}
