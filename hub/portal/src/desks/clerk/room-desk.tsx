import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type Desk, type DeskTake, RoomPhase, RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link } from "react-router";
import { newId, socket } from "../../client.ts";
import { pageClock } from "../../clock.ts";
import { AlarmsStrip } from "../../pages/alarms/alarms.strip.tsx";
import { useRoomNames } from "../../pages/rooms/rooms.parts.tsx";
import { mayCall, useUser } from "../../session.tsx";
import { useCommand } from "../../ui/command.ts";
import { HoldButton } from "../../ui/hold-button.tsx";
import { useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { Refused, Shown } from "../../ui/shown.tsx";
import { useInstant } from "../../ui/times.ts";
import { Banner } from "./banner.tsx";
import { texts } from "./clerk.texts.ts";
import { CommandFailure } from "./command-failure.tsx";
import { type Choice, likeliest, TodaysList } from "./list.tsx";
import { Marks } from "./marks.tsx";
import { PauseButton, ResumeButton } from "./pausing.tsx";
import { Pictures } from "./pictures.tsx";
import { SoundBars } from "./sound.tsx";
import { Start, type StartState } from "./start.ts";
import { Starting } from "./starting.tsx";
import { useDesk } from "./watching.ts";

/** One room: its light, pictures and sound, and whatever can be done now. What it shows is what the room last said. */
export function RoomDesk({ roomId, chooser }: { roomId: string; chooser: ReactNode }) {
  const { seen, levels, heardAgoMs } = useDesk(roomId);
  const roomName = useRoomNames();
  const [start] = useState(() => new Start({ open: (...args) => socket.open(...args), clock: pageClock, newId }));
  const starting = useSyncExternalStore(start.subscribe, start.snapshot);
  const desk = valueOf(seen);
  useEffect(() => {
    if (desk) start.know(desk);
  }, [start, desk]);
  if (seen.state === "refused")
    return (
      <div className="desk-refused">
        {chooser}
        <Refused error={seen.error} />
      </div>
    );
  const live = seen.state === "live";
  const nameOf = (id: string) => desk?.tracks.find((it) => it.id === id)?.label || roomName(id);
  return (
    <div className="desk" data-testid="desk" data-phase={desk ? RoomPhase[desk.phase] : ""}>
      <div className="desk-main">
        <h1 className="unseen">{roomName(roomId)}</h1>
        <Banner desk={desk} heardAgoMs={heardAgoMs} />
        <AlarmsStrip roomId={roomId} />
        <Starting state={starting} nameOf={nameOf} repeat={() => start.repeat()} forget={() => start.forget()} />
        {desk && <Pictures desk={desk} />}
      </div>
      <aside className="desk-side">
        {chooser}
        <div className="desk-controls">
          <Shown of={seen}>{(it) => <Controls desk={it} start={start} starting={starting.step} />}</Shown>
        </div>
        <SoundBars tracks={desk?.tracks.filter((track) => track.kind === TrackKind.AUDIO) ?? []} levels={levels} live={live} />
      </aside>
    </div>
  );
}

function Controls({ desk, start, starting }: { desk: Desk; start: Start; starting: StartState["step"] }) {
  const user = useUser();
  const running = desk.take && [RoomPhase.RECORDING, RoomPhase.PAUSED, RoomPhase.ENDING].includes(desk.phase);
  const [lastTakeId, setLastTakeId] = useState<string>();
  if (running && desk.take && desk.take.takeId !== lastTakeId) setLastTakeId(desk.take.takeId);
  if (running && desk.take)
    return (
      <>
        <Running desk={desk} take={desk.take} mayEnd={mayCall(user, RoomService.method.end)} />
        <Marks roomId={desk.roomId} take={desk.take} mayMark={mayCall(user, RoomService.method.mark)} />
      </>
    );
  const step = desk.phase === RoomPhase.STARTING ? "asking" : starting;
  return <Idle desk={desk} start={start} starting={step} mayStart={mayCall(user, RoomService.method.start)} lastTakeId={lastTakeId} />;
}

interface IdleProps {
  desk: Desk;
  start: Start;
  starting: StartState["step"];
  mayStart: boolean;
  lastTakeId: string | undefined;
}

function Idle({ desk, start, starting, mayStart, lastTakeId }: IdleProps) {
  const t = useTexts(texts);
  const [chosen, choose] = useState<Choice>();
  const button = useRef<HTMLButtonElement>(null);
  const mayPlay = mayCall(useUser(), TakesService.method.watchTake);
  // Not after an end: the key that is still held for it must not start the next one.
  const focus = lastTakeId === undefined;
  useEffect(() => {
    if (focus) button.current?.focus();
  }, [focus]);
  const waiting = { asking: t.starting, unconfirmed: t.unconfirmedButton }[starting as string];
  // A hearing that has left the list meanwhile can't be started any more.
  const known = chosen && (chosen.hearingId === "" || desk.listings.some((it) => it.id === chosen.hearingId));
  const choice = known ? chosen : { hearingId: likeliest(desk.listings), title: "" };
  return (
    <>
      {mayStart ? (
        <button
          type="button"
          ref={button}
          className="big big-start"
          disabled={waiting !== undefined}
          data-testid="start-button"
          onKeyDown={(event) => event.repeat && event.preventDefault()}
          onClick={() => start.press(wish(desk.roomId, choice))}
        >
          <span>{waiting ?? t.start}</span>
        </button>
      ) : (
        <p className="quiet">{t.onlyClerk}</p>
      )}
      {lastTakeId && mayPlay && (
        <Link to={`/takes/${lastTakeId}`} data-testid="last-take">
          {t.lastTake}
        </Link>
      )}
      <TodaysList desk={desk} choice={choice} choose={choose} mayStart={mayStart} />
    </>
  );
}

function wish(roomId: string, { hearingId, title }: Choice) {
  return hearingId === "" ? { roomId, title: title.trim() } : { roomId, hearingId };
}

function Running({ desk, take, mayEnd }: { desk: Desk; take: DeskTake; mayEnd: boolean }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const end = useCommand(RoomService.method.end);
  const mayPlay = mayCall(useUser(), TakesService.method.watchTake);
  const ending = desk.phase === RoomPhase.ENDING || end.busy;
  return (
    <section className="running" data-testid="running" data-take={take.takeId}>
      <h2>{take.title || t.unlistedHearing}</h2>
      <p className="quiet">
        {t.startedBy(take.startedBy, instant(Number(take.startedAtMs)))}
        {mayPlay && (
          <>
            {" · "}
            <Link to={`/takes/${take.takeId}`}>{t.playSoFar}</Link>
          </>
        )}
      </p>
      {mayEnd && desk.phase === RoomPhase.PAUSED && <ResumeButton roomId={desk.roomId} />}
      {mayEnd && ending && <p className="big big-ending">{t.ending}</p>}
      {mayEnd && !ending && (
        <HoldButton className="big big-end" testId="end" onHeld={() => void end.run({ roomId: desk.roomId, takeId: take.takeId })}>
          {t.end}
        </HoldButton>
      )}
      {mayEnd && desk.phase === RoomPhase.RECORDING && <PauseButton roomId={desk.roomId} />}
      <CommandFailure command={end} />
    </section>
  );
}
