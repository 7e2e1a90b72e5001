import assert from "node:assert/strict";
import { readBars } from "@xiezhi/drivers/sim/bars.ts";
import type { FrameStamp } from "@xiezhi/drivers/sim/frame-stamp.ts";
import type { Page } from "playwright-core";
import { join } from "node:path";
import { framesIn } from "../stored-frames.ts";
import { until } from "./until.ts";

/** Pictures are read at this width: 8 pixels a square. */
const widthPx = 640;
const rowPx = 12;

export interface SeenPicture {
  testId: string;
  /** Of its loop, and of which camera, as the bars say; undefined while no picture with bars is there. */
  bars: { frame: number; camera: number } | undefined;
  /** The element's time, seconds, and whether it is still on its way there. */
  atS: number;
  seeking: boolean;
  /** When it was read, ms on the page's clock: reading one picture takes the page up to 30 ms. */
  readAtMs: number;
}

/** What every video whose test id begins so shows, read one after the other. */
export async function seePictures(page: Page, testIdStart: string): Promise<SeenPicture[]> {
  const rows = await page.evaluate(
    ({ start, width, row }) =>
      [...document.querySelectorAll<HTMLElement>(`[data-testid^="${start}"]`)]
        .map((found) => ({
          testId: found.dataset["testid"] ?? "",
          video: found instanceof HTMLVideoElement ? found : found.querySelector("video"),
        }))
        .flatMap(({ testId, video }) => {
          if (!video) return [];
          const [atS, seeking, readAtMs] = [video.currentTime, video.seeking, new Event("read").timeStamp];
          const canvas = new OffscreenCanvas(width, 2 * row);
          const pen = canvas.getContext("2d");
          pen?.drawImage(video, 0, 0, width, (width * 9) / 16);
          const rgba = pen?.getImageData(0, row, width, 1).data ?? [];
          return [{ testId, atS, seeking, readAtMs, green: [...rgba].filter((_, index) => index % 4 === 1) }];
        }),
    { start: testIdStart, width: widthPx, row: rowPx },
  );
  return rows.map(({ green, ...seen }) => ({ ...seen, bars: readBars((x) => green[x] ?? 0, widthPx) }));
}

/** Each live picture must show another frame than before, more than once, and be of a camera of its own. */
export async function livePicturesMove(page: Page, cameras: readonly string[]): Promise<void> {
  const frames = new Map(cameras.map((id) => [id, new Set<number>()]));
  const numbers = new Map<string, number>();
  await until(
    "each live picture moves",
    async () => {
      for (const { testId, bars } of await seePictures(page, "live-cam-")) {
        if (!bars) continue;
        frames.get(testId.slice("live-".length))?.add(bars.frame);
        numbers.set(testId, bars.camera);
      }
      return [...frames].map(([id, seen]) => `${id} ${seen.size}`);
    },
    () => [...frames.values()].every((seen) => seen.size >= 4),
  );
  assert.equal(new Set(numbers.values()).size, cameras.length, "each tile shows another camera");
}

/** What stands there: each picture of the same moment, and the same at two looks. */
export async function standingPictures(page: Page, testIdStart: string, count: number): Promise<SeenPicture[]> {
  let before = "";
  const stands = await until(
    "each picture is of the moment where the page stands",
    async () => {
      const seen = await seePictures(page, testIdStart);
      const now = JSON.stringify(seen.map(({ bars, atS }) => [bars, atS]));
      const stable = now === before;
      before = now;
      return { seen, stable };
    },
    ({ seen, stable }) => stable && seen.length === count && seen.every((it) => it.bars && !it.seeking && it.atS === seen[0]?.atS),
  );
  return stands.seen.map((it) => ({ ...it, readAtMs: 0 }));
}

/** Simulated cameras loop their clips after so many frames. */
const loopFrames = 500;

/**
 * When the shown frames were taken, UTC ms, by the stamps in the stored bytes; undefined for one that is not stored. Bars count one
 * loop only, so of the frames that carry these bars the ones nearest to the first camera's are meant: less than half a loop away.
 */
function takenAt(shown: { frame: number | undefined; stored: readonly FrameStamp[] }[]): (number | undefined)[] {
  const candidates = shown.map(({ frame, stored }) => stored.filter((it) => it.frame % loopFrames === frame).map(({ utcMs }) => utcMs));
  const first = candidates[0]?.[0] ?? 0;
  return candidates.map((it) => it.toSorted((a, b) => Math.abs(a - first) - Math.abs(b - first))[0]);
}

/** How far cameras are from each other: when their shown frames were taken, and what their elements say. Ms. */
export interface Spread {
  framesMs: number;
  timesMs: number;
}

/** `folder`: the stored take. */
export function spreadOf(seen: SeenPicture[], folder: string): Spread {
  const shown = seen.map(({ testId, bars }) => ({ frame: bars?.frame, stored: framesIn(join(folder, testId.slice("cam-".length))) }));
  const taken = takenAt(shown);
  return {
    framesMs: spread(seen.map(({ readAtMs }, index) => (taken[index] ?? Number.NaN) - readAtMs)),
    timesMs: spread(seen.map(({ readAtMs, atS }) => atS * 1e3 - readAtMs)),
  };
}

function spread(values: number[]): number {
  return Math.round(Math.max(...values) - Math.min(...values));
}
