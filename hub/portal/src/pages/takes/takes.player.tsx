import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type Take, TakeState, type TrackInfo } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { useEffect, useEffectEvent, useRef, useState, useSyncExternalStore } from "react";
import { pageClock } from "../../clock.ts";
import { Player, type Skip } from "../../media/player.ts";
import type { TrackSource } from "../../media/track-player.ts";
import { useKeys } from "../../ui/keys.ts";
import { useTexts } from "../../ui/language.ts";
import { Controls } from "./takes.controls.tsx";
import { Mixer, type Mix } from "./takes.mixer.tsx";
import { texts } from "./takes.texts.ts";
import { MarksAndGaps, Timeline } from "./takes.timeline.tsx";

const rates = [0.5, 1, 1.5, 2, 4];
const frameS = 0.04;

/** Plays a take: every camera and microphone an element of its own, all held to one page time. */
export function TakePlayer({ take, mediaBase }: { take: Take; mediaBase: string }) {
  const elements = useRef(new Map<number, HTMLMediaElement>());
  const [player, setPlayer] = useState<Player>();
  const tracks = take.tracks;
  const codecOf = useEffectEvent((trackNumber: number, mapUri: string) => codecIn(take, trackNumber, mapUri));
  const start = useEffectEvent(() => {
    const played = tracks.flatMap((track) => {
      const element = elements.current.get(track.number);
      return element
        ? [{ number: track.number, element, source: sourceOf(take, track, mediaBase, (uri) => codecOf(track.number, uri)) }]
        : [];
    });
    return new Player({ clock: pageClock, running: take.state !== TakeState.ENDED, tracks: played });
  });
  useEffect(() => {
    const made = start();
    setPlayer(made);
    return () => made.close();
  }, []);
  useEffect(() => {
    player?.know({ running: take.state !== TakeState.ENDED, lengthS: Number(take.lengthUs) / 1e6, skips: pausesOf(take) });
  }, [player, take]);
  const attach = (number: number) => (element: HTMLMediaElement | null) => {
    if (element) elements.current.set(number, element);
  };
  const [big, setBig] = useState<number>();
  return (
    <div className="player" data-testid="player">
      {tracks
        .filter((it) => it.kind === TrackKind.AUDIO)
        .map((it) => (
          <audio key={it.id} ref={attach(it.number)} data-testid={`mic-${it.id}`} />
        ))}
      <Cameras take={take} attach={attach} big={big} choose={setBig} player={player} />
      {player && <PlayerDesk take={take} player={player} choose={setBig} />}
    </div>
  );
}

/** Controls, timeline and mixer below the pictures. */
function PlayerDesk({ take, player, choose }: { take: Take; player: Player; choose: (number: number) => void }) {
  const state = useSyncExternalStore(player.subscribe, player.snapshot);
  const cameras = take.tracks.filter((it) => it.kind === TrackKind.VIDEO);
  const microphones = take.tracks.filter((it) => it.kind === TrackKind.AUDIO);
  const [mix, setMix] = useState<Mix>({});
  const changeMix = (next: Mix) => {
    setMix(next);
    for (const it of microphones) player.setVolume(it.number, loudness(next, it.number));
  };
  const allMuted = microphones.every((it) => mix[it.number]?.muted);
  const muteAll = () =>
    changeMix(Object.fromEntries(microphones.map((it) => [it.number, { volume: 1, ...mix[it.number], muted: !allMuted }])));
  const act = {
    toggle: () => player.play(!state.playing),
    seek: (atS: number) => player.seek(atS),
    by: (s: number) => player.seek(player.snapshot().atS + s),
    setRate: (rate: number) => player.setRate(rate),
    slower: () => player.setRate(rates.findLast((it) => it < state.rate) ?? rates[0]!),
    faster: () => {
      if (state.playing) player.setRate(rates.find((it) => it > state.rate) ?? rates.at(-1)!);
      else player.play(true);
    },
  };
  useKeys({
    " ": act.toggle,
    k: () => player.play(false),
    j: act.slower,
    l: act.faster,
    arrowleft: () => act.by(-10),
    arrowright: () => act.by(10),
    ",": () => act.by(-frameS),
    ".": () => act.by(frameS),
    m: muteAll,
    ...Object.fromEntries(cameras.slice(0, 9).map((it, index) => [String(index + 1), () => choose(it.number)])),
  });
  return (
    <>
      <Controls state={state} rates={rates} act={act} />
      <Timeline take={take} state={state} seek={act.seek} />
      <div className="below">
        <Mixer microphones={microphones} mix={mix} change={changeMix} muteAll={muteAll} allMuted={allMuted} />
        <MarksAndGaps take={take} seek={act.seek} />
      </div>
    </>
  );
}

type Attach = (number: number) => (element: HTMLMediaElement | null) => void;

interface CamerasProps {
  take: Take;
  attach: Attach;
  big: number | undefined;
  choose: (number: number) => void;
  player: Player | undefined;
}

function Cameras({ take, attach, big, choose, player }: CamerasProps) {
  const cameras = take.tracks.filter((it) => it.kind === TrackKind.VIDEO);
  const chosen = big ?? cameras[0]?.number;
  return (
    <section className={`cameras cameras-${Math.min(cameras.length, 4)}`} data-testid="cameras">
      {cameras.map((it, index) => (
        <button
          key={it.id}
          type="button"
          className={it.number === chosen ? "camera camera-big" : "camera"}
          aria-pressed={it.number === chosen}
          aria-keyshortcuts={String(index + 1)}
          onClick={() => choose(it.number)}
        >
          <figure className="picture">
            <video
              ref={attach(it.number)}
              muted
              playsInline
              disablePictureInPicture
              data-testid={`cam-${it.id}`}
              aria-label={it.label || it.id}
            />
            <figcaption>{it.label || it.id}</figcaption>
            {player && <Absent player={player} number={it.number} />}
          </figure>
        </button>
      ))}
    </section>
  );
}

/** Why there is no picture at the page's time. */
function Absent({ player, number }: { player: Player; number: number }) {
  const t = useTexts(texts);
  const showing = useSyncExternalStore(player.subscribe, () => player.snapshot().showing.get(number) ?? "loading");
  if (showing === "picture") return null;
  return (
    <p className="picture-trouble" data-showing={showing}>
      {t[showing]}
    </p>
  );
}

function sourceOf(take: Take, track: TrackInfo, mediaBase: string, codecOf: (mapUri: string) => string): TrackSource {
  return {
    playlistUrl: track.playlist || `${mediaBase}/${track.id}/index.m3u8`,
    kind: track.kind === TrackKind.VIDEO ? "video" : "audio",
    zeroMs: Number(take.startedAtMs),
    codecOf,
  };
}

/** The codec of the stretch whose header lies at `…/<stretch>.init.mp4`. */
function codecIn(take: Take, trackNumber: number, mapUri: string): string {
  const number = Number(/(\d+)\.init\.mp4/.exec(mapUri)?.[1] ?? 0);
  const stretches = take.tracks.find((it) => it.number === trackNumber)?.stretches ?? [];
  return (stretches.find((it) => it.number === number) ?? stretches.at(-1))?.codec ?? "";
}

function pausesOf(take: Take): Skip[] {
  return take.spans
    .filter((it) => it.type === "paused" && it.toUs > 0n)
    .map((it) => ({ fromS: Number(it.fromUs) / 1e6, toS: Number(it.toUs) / 1e6 }));
}

function loudness(mix: Mix, number: number): number {
  const it = mix[number];
  return it?.muted ? 0 : (it?.volume ?? 1);
}
