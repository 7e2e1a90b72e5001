import type { Page } from "playwright-core";

/** A Take page that follows the end of a running take, as its test sees it. */
export class Watching {
  private readonly page: Page;
  /** Segments that were read while they grew, by track. */
  private readonly read = new Map<string, Set<string>>();

  private constructor(page: Page) {
    this.page = page;
    page.on("response", (response) => {
      const [, track = "", segment = ""] = /\/([^/]+)\/(\d{6})\.m4s\?from=/.exec(response.url()) ?? [];
      if (response.status() === 200) this.read.set(track, (this.read.get(track) ?? new Set()).add(segment));
    });
  }

  static async of(page: Page): Promise<Watching> {
    await page.addInitScript(noteAppended);
    return new Watching(page);
  }

  /** Where the page is, how old that is and how far each camera's buffer goes on from there, seconds; whether it calls itself near live. */
  async look(): Promise<{ atS: number; behindS: number; near: boolean; onS: number[] }> {
    const follow = this.page.getByTestId("follow");
    const [near, behind] = [await follow.getAttribute("data-near"), await follow.getAttribute("data-behind")];
    const atS = Number(await this.page.getByTestId("controls").getAttribute("data-at"));
    return { atS, behindS: Number(behind), near: near === "true", onS: await this.goesOn(atS) };
  }

  /** The most segments of one track that were read while they grew. */
  get segmentsRead(): number {
    return Math.max(0, ...[...this.read.values()].map(({ size }) => size));
  }

  /** How far each camera's buffer goes on from a moment without a hole, seconds; 0 where that moment is not in it. */
  goesOn(atS: number): Promise<number[]> {
    return this.page.evaluate(
      (from) =>
        [...document.querySelectorAll("video")].map(({ buffered }) => {
          for (let i = 0; i < buffered.length; i++) if (buffered.start(i) <= from && from < buffered.end(i)) return buffered.end(i) - from;
          return 0;
        }),
      atS,
    );
  }

  /** Decode times of all that was appended, in this order, by buffer; ticks. */
  appended(): Promise<number[][]> {
    return this.page.evaluate(() => [...(globalThis as unknown as { appended: Map<SourceBuffer, number[]> }).appended.values()]);
  }
}

/** Keeps the decode time (tfdt, ISO 14496-12 8.8.12) of every fragment that is given to a buffer. */
function noteAppended(): void {
  const appended = new Map<SourceBuffer, number[]>();
  Object.assign(globalThis, { appended });
  const { appendBuffer } = SourceBuffer.prototype;
  SourceBuffer.prototype.appendBuffer = function (this: SourceBuffer, data: ArrayBuffer) {
    const view = new DataView(data);
    const times = appended.get(this) ?? [];
    appended.set(this, times);
    for (let at = 0; at + 8 <= view.byteLength; at += view.getUint32(at)) {
      if (view.getUint32(at + 4) !== 0x6d6f6f66) continue;
      let tfdt = at;
      while (view.getUint32(tfdt) !== 0x74666474) tfdt++;
      times.push(view.getUint8(tfdt + 4) === 1 ? Number(view.getBigUint64(tfdt + 8)) : view.getUint32(tfdt + 8));
    }
    appendBuffer.call(this, data);
  };
}
