import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { type Take, TakeState, type TrackInfo } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { pageClock } from "../../clock.ts";
import { Player, type Skip } from "../../media/player.ts";
import { useKeys } from "../../ui/keys.ts";
import { useTexts } from "../../ui/language.ts";
import { Controls, playerKeys } from "./takes.controls.tsx";
import { Mixer, type Mix } from "./takes.mixer.tsx";
import { texts } from "./takes.texts.ts";
import { MarksAndGaps, Timeline } from "./takes.timeline.tsx";

/** A player for a take; made when somebody presses play, which is also when a browser lets a page sound. */
export function startPlayer(take: Take): Player {
  const player = new Player(pageClock, known(take));
  player.play(true);
  return player;
}

/** Plays a take: every camera and microphone an element of its own, all held to one page time. */
export function TakePlayer({ take, player, mediaBase }: { take: Take; player: Player; mediaBase: string }) {
  const [big, setBig] = useState<number>();
  useEffect(() => () => player.close(), [player]);
  useEffect(() => player.know(known(take)), [player, take]);
  return (
    <div className="player" data-testid="player">
      {take.tracks
        .filter((it) => it.kind === TrackKind.AUDIO)
        .map((it) => (
          <TrackElement key={it.id} take={take} track={it} player={player} mediaBase={mediaBase} />
        ))}
      <Cameras take={take} big={big} choose={setBig} player={player} mediaBase={mediaBase} />
      <PlayerDesk take={take} player={player} choose={setBig} />
    </div>
  );
}

interface TrackElementProps {
  take: Take;
  track: TrackInfo;
  player: Player;
  mediaBase: string;
}

/** The media element of one track, fed by the player while it stands. */
function TrackElement({ take, track, player, mediaBase }: TrackElementProps) {
  const element = useRef<HTMLVideoElement>(null);
  const video = track.kind === TrackKind.VIDEO;
  const playlistUrl = track.playlist || `${mediaBase}/${track.id}/index.m3u8`;
  const zeroMs = Number(take.startedAtMs);
  useEffect(() => {
    if (element.current) return player.attach(track.number, element.current, { playlistUrl, zeroMs, kind: video ? "video" : "audio" });
  }, [player, track.number, playlistUrl, zeroMs, video]);
  if (!video) return <audio ref={element} data-testid={`mic-${track.id}`} />;
  return (
    <video ref={element} muted playsInline disablePictureInPicture data-testid={`cam-${track.id}`} aria-label={track.label || track.id} />
  );
}

/** Controls, timeline and mixer below the pictures, and the keys for all of it. */
function PlayerDesk({ take, player, choose }: { take: Take; player: Player; choose: (number: number) => void }) {
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
  useKeys({
    ...playerKeys(player),
    m: muteAll,
    ...Object.fromEntries(cameras.slice(0, 9).map((it, index) => [String(index + 1), () => choose(it.number)])),
  });
  return (
    <>
      <Controls player={player} />
      <Timeline take={take} player={player} />
      <div className="below">
        <Mixer microphones={microphones} mix={mix} change={changeMix} muteAll={muteAll} allMuted={allMuted} />
        <MarksAndGaps take={take} player={player} />
      </div>
    </>
  );
}

interface CamerasProps {
  take: Take;
  big: number | undefined;
  choose: (number: number) => void;
  player: Player;
  mediaBase: string;
}

function Cameras({ take, big, choose, player, mediaBase }: CamerasProps) {
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
            <TrackElement take={take} track={it} player={player} mediaBase={mediaBase} />
            <figcaption>{it.label || it.id}</figcaption>
            <Absent player={player} number={it.number} />
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

function known(take: Take) {
  return {
    running: take.state !== TakeState.ENDED,
    lengthS: Number(take.lengthUs) / 1e6,
    skips: pausesOf(take),
    segments: Number(take.copies?.segmentsFinished ?? 0n),
    codecOf: (track: number, mapUri: string) => codecIn(take, track, mapUri),
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
