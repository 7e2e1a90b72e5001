import { type CentralCopy, type Desk, RoomPhase, SourceState, SourceStateSchema } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { InterruptionReasonSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type Light, light, proofMs, type TroubledTrack } from "@xiezhi/protos/light.ts";
import { useNowMs } from "../../clock.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { LightSign } from "../../ui/light.tsx";
import { clockText, useAge, useInstant } from "../../ui/times.ts";
import { texts } from "./clerk.texts.ts";

/** Named in full on the banner; the rest are counted. */
const namedTracks = 3;
/** Parcels last a second and take another to arrive: so much behind is no trouble. */
const usualBehindS = 5;

/** The light, the take time and, in words, what stands beside it. The page's own clock turns it when the room falls silent. */
export function Banner({ desk, heardAgoMs }: { desk: Desk | undefined; heardAgoMs: () => number }) {
  const t = useTexts(texts);
  useNowMs(250);
  const agoMs = heardAgoMs();
  const shown = light(desk, agoMs);
  return (
    <section className="banner">
      <LightSign light={shown} detail={<Detail shown={shown} desk={desk} agoMs={agoMs} />} />
      <div className="banner-time">
        <small>{t.takeTime}</small>
        <output data-testid="take-time">{desk?.take ? clockText(takeSeconds(desk, agoMs)) : "–:––:––"}</output>
        <Central central={desk?.central} known={agoMs <= proofMs} />
        {desk && agoMs <= proofMs && desk.spoolHoursLeft > 0 && (
          <small data-testid="spool">{t.spoolLeft(desk.spoolHoursLeft.toFixed(desk.spoolHoursLeft < 10 ? 1 : 0))}</small>
        )}
      </div>
    </section>
  );
}

function takeSeconds(desk: Desk, agoMs: number): number {
  const toldS = Number(desk.take?.lengthUs ?? 0n) / 1e6;
  const runs = desk.phase === RoomPhase.RECORDING && agoMs <= proofMs;
  return runs ? toldS + agoMs / 1_000 : toldS;
}

function Detail({ shown, desk, agoMs }: { shown: Light; desk: Desk | undefined; agoMs: number }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const age = useAge();
  const instant = useInstant();
  if (shown.reason === "unknown") return <p>{Number.isFinite(agoMs) ? t.heardLast(age(agoMs)) : t.neverHeard}</p>;
  if (shown.reason === "paused" && desk?.take)
    return <p>{t.pausedFor(enumText(InterruptionReasonSchema, desk.take.pausedFor, language), instant(Number(desk.take.pausedAtMs)))}</p>;
  if (shown.troubled.length === 0) return null;
  const more = shown.troubled.length - namedTracks;
  return (
    <ul data-testid="troubled">
      {shown.troubled.slice(0, namedTracks).map((it) => (
        <Troubled key={it.track.number} troubled={it} />
      ))}
      {more > 0 && <li>{t.more(more)}</li>}
    </ul>
  );
}

function Troubled({ troubled: { track, sinceMs } }: { troubled: TroubledTrack }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  const state = enumText(SourceStateSchema, track.source, language);
  const why = track.source !== SourceState.RUNNING && track.reason ? `${state}：${track.reason}` : state;
  return <li>{t.trackSince(track.label || track.id, instant(sinceMs), why)}</li>;
}

/** How much of it the hub holds. Words only: it never decides the light's colour. */
function Central({ central, known }: { central: CentralCopy | undefined; known: boolean }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const age = useAge();
  const words = () => {
    if (!central || !known) return { state: "unknown", text: t.centralUnknown };
    if (!central.connected) return { state: "away", text: t.centralAway(instant(Number(central.sinceMs))) };
    if (central.parcelsBehind === 0n) return { state: "complete", text: t.centralComplete };
    const state = central.secondsBehind > usualBehindS ? "late" : "behind";
    return { state, text: t.centralBehind(age(Math.max(1, central.secondsBehind) * 1_000)) };
  };
  const { state, text } = words();
  return (
    <small data-testid="central" data-state={state} className={`central central-${state}`}>
      {text}
    </small>
  );
}
