import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { useEffect, useRef, useState } from "react";
import { socket } from "../client.ts";
import { pageClock, useNowMs } from "../clock.ts";
import { defineTexts, useTexts } from "../ui/language.ts";
import { Watch } from "../ui/watch.ts";
import { LiveFeed } from "./live-feed.ts";

const texts = defineTexts({
  zh: { quiet: (s: number) => `画面中断 ${s} 秒`, waiting: "等待画面", unsupported: (codec: string) => `浏览器不能播放 ${codec}` },
  en: {
    quiet: (s: number) => `no picture for ${s} s`,
    waiting: "waiting for a picture",
    unsupported: (codec: string) => `this browser can't play ${codec}`,
  },
});

/** A picture that stood this long is not called live any more, ms. */
const quietMs = 2_000;

/** Live cameras of one room over one stream; each picture attaches its element and is fed until it goes. */
export class LiveRoom {
  private readonly feeds = new Map<number, LiveFeed>();

  attach(number: number, video: HTMLVideoElement): LiveFeed {
    const feed = new LiveFeed(video, () => pageClock.monoMs());
    this.feeds.set(number, feed);
    return feed;
  }

  detach(number: number, feed: LiveFeed): void {
    feed.close();
    if (this.feeds.get(number) === feed) this.feeds.delete(number);
  }

  /** Opens the stream; returns how to close it. */
  watch(roomId: string, tracks: number[], small: boolean): () => void {
    const watch = new Watch({
      socket,
      clock: pageClock,
      method: RoomService.method.watchLive,
      request: { roomId, tracks, small },
      pick: ({ what }) => {
        if (what.case === "header") this.feeds.get(what.value.number)?.giveHeader(what.value);
        if (what.case === "chunk") this.feeds.get(what.value.number)?.giveChunk(what.value);
        return true;
      },
    });
    return watch.subscribe(() => undefined);
  }
}

/** The live cameras of a room while the component stands; `tracks` empty: nothing is open. */
export function useLiveRoom(roomId: string, tracks: number[], small: boolean): LiveRoom {
  const [room] = useState(() => new LiveRoom());
  const key = tracks.join();
  useEffect(() => {
    if (key === "") return;
    return room.watch(roomId, key.split(",").map(Number), small);
  }, [room, roomId, key, small]);
  return room;
}

export function LivePicture({ room, number, label, testId }: { room: LiveRoom; number: number; label: string; testId: string }) {
  const t = useTexts(texts);
  const element = useRef<HTMLVideoElement>(null);
  const [feed, setFeed] = useState<LiveFeed>();
  useNowMs(1_000);
  useEffect(() => {
    if (!element.current) return;
    const attached = room.attach(number, element.current);
    setFeed(attached);
    return () => room.detach(number, attached);
  }, [room, number]);
  return (
    <figure className="picture" data-testid={testId} data-track={number}>
      <video ref={element} muted playsInline disablePictureInPicture aria-label={label} />
      <figcaption>{label}</figcaption>
      {feed && trouble(feed, t)}
    </figure>
  );
}

function trouble(feed: LiveFeed, t: (typeof texts)["zh"]) {
  const quiet = feed.quietMs();
  if (feed.unsupported) return <p className="picture-trouble">{t.unsupported(feed.unsupported)}</p>;
  if (feed.video.videoWidth === 0) return <p className="picture-trouble">{t.waiting}</p>;
  if (quiet > quietMs) return <p className="picture-trouble">{t.quiet(Math.floor(quiet / 1_000))}</p>;
  return null;
}
