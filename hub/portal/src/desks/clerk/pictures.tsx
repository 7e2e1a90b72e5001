import { type Desk, type DeskTrack, RoomPhase, RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { useState } from "react";
import { LivePicture, useLiveRoom } from "../../media/live.tsx";
import { mayCall, useUser } from "../../session.tsx";
import { useTexts } from "../../ui/language.ts";
import { texts } from "./clerk.texts.ts";

/** The room's cameras, small streams side by side; the chosen one large and from its main stream. */
export function Pictures({ desk }: { desk: Desk }) {
  const t = useTexts(texts);
  const [chosen, setChosen] = useState<number>();
  const cameras = desk.tracks.filter((it) => it.kind === TrackKind.VIDEO);
  const maySee = mayCall(useUser(), RoomService.method.watchLive);
  const closed = desk.phase === RoomPhase.PAUSED || !maySee;
  const big = cameras.find((it) => it.number === chosen);
  const tiles = closed ? [] : cameras.filter((it) => it !== big).map((it) => it.number);
  const small = useLiveRoom(desk.roomId, tiles, true);
  const main = useLiveRoom(desk.roomId, big && !closed ? [big.number] : [], false);
  if (closed)
    return (
      <p className="no-pictures" data-testid="no-live">
        {maySee ? t.noLive : t.noLiveRight}
      </p>
    );
  if (cameras.length === 0) return <p className="no-pictures">{t.noPictures}</p>;
  const picture = (track: DeskTrack) => (
    <button
      key={track.number}
      type="button"
      className={track === big ? "tile tile-big" : "tile"}
      aria-pressed={track === big}
      onClick={() => setChosen(track === big ? undefined : track.number)}
    >
      <LivePicture room={track === big ? main : small} number={track.number} label={track.label || track.id} testId={`live-${track.id}`} />
    </button>
  );
  return (
    <section className={`pictures pictures-${Math.min(cameras.length, 4)} ${big ? "pictures-chosen" : ""}`} data-testid="pictures">
      {cameras.map(picture)}
    </section>
  );
}
