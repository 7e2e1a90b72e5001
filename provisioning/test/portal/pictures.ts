import { readBars } from "@xiezhi/drivers/sim/bars.ts";
import type { FrameStamp } from "@xiezhi/drivers/sim/frame-stamp.ts";
import type { Page } from "playwright-core";

/** Pictures are read at this width: 8 pixels a square. */
const widthPx = 640;
const rowPx = 12;

export interface SeenPicture {
  testId: string;
  /** Of its loop, and of which camera, as the bars say; undefined while no picture with bars is there. */
  bars: { frame: number; camera: number } | undefined;
  /** The element's time, seconds. */
  atS: number;
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
          const [atS, readAtMs] = [video.currentTime, new Event("read").timeStamp];
          const canvas = new OffscreenCanvas(width, 2 * row);
          const pen = canvas.getContext("2d");
          pen?.drawImage(video, 0, 0, width, (width * 9) / 16);
          const rgba = pen?.getImageData(0, row, width, 1).data ?? [];
          return [{ testId, atS, readAtMs, green: [...rgba].filter((_, index) => index % 4 === 1) }];
        }),
    { start: testIdStart, width: widthPx, row: rowPx },
  );
  return rows.map(({ green, ...seen }) => ({ ...seen, bars: readBars((x) => green[x] ?? 0, widthPx) }));
}

/** Simulated cameras loop their clips after so many frames. */
const loopFrames = 500;

/**
 * When the shown frames were taken, UTC ms, by the stamps in the stored bytes; undefined for one that is not stored. Bars count one
 * loop only, so of the frames that carry these bars the ones nearest to the first camera's are meant: less than half a loop away.
 */
export function takenAt(shown: { frame: number | undefined; stored: readonly FrameStamp[] }[]): (number | undefined)[] {
  const candidates = shown.map(({ frame, stored }) => stored.filter((it) => it.frame % loopFrames === frame).map(({ utcMs }) => utcMs));
  const first = candidates[0]?.[0] ?? 0;
  return candidates.map((it) => it.toSorted((a, b) => Math.abs(a - first) - Math.abs(b - first))[0]);
}
