/**
 * P4: how old a live picture is when it is painted. A clerk's Desk in Chromium with four cameras, as the portal shows them: one
 * large from its main stream, three small. Painted: requestVideoFrameCallback's instant of each frame on the page. Arrived: what
 * the agent says of the frame's last packet (LiveChunk.arrived_utc_us), heard by a second listener of the same streams and
 * tied by the frame's time. One machine, one clock. --seconds N of looking. Printed only; the browser decodes without a GPU.
 */
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { walkChunks } from "@xiezhi/media/mp4/walker.ts";
import { TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { RoomService, type WatchLiveResponse } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import type { Page } from "playwright-core";
import type { RunningCourt } from "../../src/demo/running-court.ts";
import { openBrowser, Person } from "../../test/portal/browser.ts";
import { inCourt, lookAtDesk, room } from "../court/bench-court.ts";
import { print, quantile, rounded } from "../figure.ts";
import { foreignLoad } from "../machine.ts";
import { secondsOr } from "../options.ts";

const seconds = secondsOr({ short: 20, long: 600 });
/** First pictures are of a burst that was kept for whoever comes. */
const SETTLE_MS = 5_000;
const BIG = "live-cam-judge";

interface Painted {
  track: number;
  /** Of a main stream; else of a second one. */
  main: boolean;
  /** The frame's time on the room's live axis, ms. */
  frameMs: number;
  utcMs: number;
}

/** When frames arrived, UTC ms, by stream and time. */
class Arrivals {
  private readonly ended = new AbortController();
  private readonly byFrame = new Map<string, number>();

  listen(clerk: Link, tracks: number[], small: boolean): void {
    const heard = clientOf(RoomService, clerk).watchLive({ roomId: room.id, tracks, small }, { signal: this.ended.signal });
    void this.take(heard, !small).catch((error: unknown) => {
      if (!this.ended.signal.aborted) throw error;
    });
  }

  private async take(heard: AsyncIterable<WatchLiveResponse>, main: boolean): Promise<void> {
    const timescales = new Map<number, number>();
    for await (const { what } of heard) {
      if (what.case === "header") timescales.set(what.value.number, what.value.timescale);
      if (what.case !== "chunk") continue;
      const { number, data, arrivedUtcUs } = what.value;
      for (const { ticks, samples } of walkChunks(Buffer.from(data))) {
        const frameMs = ((ticks + (samples[0]?.compositionOffset ?? 0)) * 1e3) / (timescales.get(number) ?? Number.NaN);
        this.byFrame.set(key(number, main, Math.round(frameMs)), Number(arrivedUtcUs) / 1e3);
      }
    }
  }

  of({ track, main, frameMs }: Painted): number | undefined {
    const near = [0, 1, -1].map((off) => this.byFrame.get(key(track, main, Math.round(frameMs) + off)));
    return near.find((utcMs) => utcMs !== undefined);
  }

  stop(): void {
    this.ended.abort();
  }
}

function key(track: number, main: boolean, frameMs: number): string {
  return `${track} ${main} ${frameMs}`;
}

/** The clerk at the Desk, with one camera large. */
async function atDesk({ logins }: RunningCourt, person: Person): Promise<Page> {
  const { page } = person;
  await person.logIn("clerk", logins["clerk"] ?? "");
  await page.getByTestId(BIG).click();
  return page;
}

/** From now on the page writes down each frame that it paints. */
async function writeDown(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen: Painted[] = [];
    Object.assign(globalThis, { seen });
    for (const picture of document.querySelectorAll<HTMLElement>('[data-testid^="live-cam-"]')) {
      const video = picture.querySelector("video");
      const track = Number(picture.dataset["track"]);
      const painted: VideoFrameRequestCallback = (_now, { mediaTime, expectedDisplayTime, width }) => {
        seen.push({ track, main: width > 640, frameMs: mediaTime * 1e3, utcMs: performance.timeOrigin + expectedDisplayTime });
        video?.requestVideoFrameCallback(painted);
      };
      video?.requestVideoFrameCallback(painted);
    }
  });
}

function written(page: Page): Promise<Painted[]> {
  return page.evaluate(() => (globalThis as unknown as { seen: Painted[] }).seen);
}

/** What the page painted in the time that is looked at, and how long after each frame's arrival, ms. */
async function look(page: Page, arrivals: Arrivals): Promise<(Painted & { ms: number })[]> {
  await clock.sleep(SETTLE_MS);
  await writeDown(page);
  await clock.sleep(seconds * 1e3);
  const painted = await written(page);
  const known = painted.flatMap((frame) => {
    const arrivedMs = arrivals.of(frame);
    return arrivedMs === undefined ? [] : [{ ...frame, ms: frame.utcMs - arrivedMs }];
  });
  if (known.length < painted.length / 2) throw new Error(`of ${painted.length} painted frames ${known.length} are known to have arrived`);
  return known;
}

const foreign = await foreignLoad(clock);
await inCourt(async (court, clerk) => {
  const desk = lookAtDesk(clerk);
  const tracks = (await desk.untilWarm()).tracks.filter(({ kind }) => kind === TrackKind.VIDEO);
  const arrivals = new Arrivals();
  const browser = await openBrowser();
  try {
    const page = await atDesk(court, await Person.at(browser, court.portalUrl));
    for (const { id, number } of tracks) arrivals.listen(clerk, [number], `live-${id}` !== BIG);
    const frames = await look(page, arrivals);
    const cameras = new Set(frames.map(({ track }) => track)).size;
    if (cameras < tracks.length) throw new Error(`${cameras} of ${tracks.length} cameras were painted`);
    const frameRate = rounded(frames.length / seconds / cameras);
    const looked = `${cameras} cameras for ${seconds} s, ${frameRate} frames a second each; others used ${Math.round(foreign * 100)} % of the machine before it`;
    for (const part of [0.5, 0.95]) {
      const ms = (which: typeof frames) =>
        rounded(
          quantile(
            which.map((frame) => frame.ms),
            part,
          ),
        );
      const large = ms(frames.filter(({ main }) => main));
      const small = ms(frames.filter(({ main }) => !main));
      print({
        name: `P4 live, arrival to painted frame, p${part * 100}`,
        ours: ms(frames),
        peer: null,
        ratio: null,
        unit: "ms",
        note: `the large picture ${large} ms, the small ones ${small} ms; ${looked}`,
      });
    }
  } finally {
    arrivals.stop();
    desk.stop();
    await browser.close();
  }
});
