import type Axe from "axe-core";
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const screen = { width: 1366, height: 768 };
/** No page needs so long, not even on a machine with little breath: what isn't there by then never comes. */
const patienceMs = 60_000;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots =
  process.env["XIEZHI_SCREENSHOTS"] === "1" ? fileURLToPath(new URL("../../../docs/screenshots", import.meta.url)) : undefined;

/** Debian's Chromium without a display; nothing of it asks the network. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** One person at a browser of their own, in the courthouse's time; whatever the browser complains of is kept. */
export class Person {
  readonly page: Page;
  private readonly found: string[];

  private constructor(page: Page, found: string[]) {
    this.page = page;
    this.found = found;
  }

  static async at(browser: Browser, portalUrl: string): Promise<Person> {
    const context = await browser.newContext({ viewport: screen, baseURL: portalUrl, locale: "zh-CN", timezoneId: "Asia/Shanghai" });
    context.setDefaultTimeout(patienceMs);
    const page = await context.newPage();
    const found: string[] = [];
    page.on("pageerror", (error) => found.push(`thrown: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") found.push(`${message.text()} (${message.location().url})`);
    });
    // A policy that is broken is told here too, whether the console prints it or not.
    await page.exposeFunction("tellViolation", (what: string) => found.push(`policy: ${what}`));
    await page.addInitScript(listenForViolations);
    await page.addInitScript(tapMicrophones);
    return new Person(page, found);
  }

  async logIn(login: string, password: string): Promise<void> {
    const { page } = this;
    if ((await page.getByTestId("login").count()) === 0) await page.goto("/");
    await page.getByTestId("login").fill(login);
    await page.getByTestId("password").fill(password);
    await page.getByTestId("enter").click();
  }

  /** What the browser complained of, but for answers of the server that the test asked for, as `expected` finds them. */
  complaints(...expected: RegExp[]): string[] {
    return this.found.filter((line) => !expected.some((it) => it.test(line)));
  }

  /** What axe-core calls serious or critical, one line each. */
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axeSource);
    return this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof Axe };
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
    });
  }

  /** Keeps the page's picture for the documentation, when it is asked for. */
  async show(name: string): Promise<void> {
    if (screenshots === undefined) return;
    await mkdir(screenshots, { recursive: true });
    const whole = await this.page.screenshot();
    // 256 colours: a third of the bytes, and nobody sees it.
    const filter = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=none";
    execFileSync("ffmpeg", ["-v", "error", "-y", "-i", "-", "-vf", filter, join(screenshots, `${name}.png`)], { input: whole });
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}

function listenForViolations(): void {
  const { tellViolation } = globalThis as unknown as { tellViolation: (what: string) => void };
  document.addEventListener("securitypolicyviolation", (event) =>
    tellViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
  );
}

/** Puts a meter behind what each microphone's element is connected to, under the element's test id. */
function tapMicrophones(): void {
  const taps = new Map<string, { gain: GainNode; meter: AnalyserNode }>();
  Object.assign(globalThis, { taps });
  const { createMediaElementSource } = AudioContext.prototype;
  AudioContext.prototype.createMediaElementSource = function (this: AudioContext, element) {
    const source = createMediaElementSource.call(this, element);
    const connect = source.connect.bind(source) as (to: AudioNode) => AudioNode;
    source.connect = ((to: AudioNode) => {
      const meter = this.createAnalyser();
      to.connect(meter);
      taps.set(element.dataset["testid"] ?? "", { gain: to as GainNode, meter });
      return connect(to);
    }) as typeof source.connect;
    return source;
  };
}

/** Gain and loudest sample (0 to 1) of each microphone now, by test id. */
export function heard(page: Page): Promise<Record<string, { gain: number; peak: number }>> {
  return page.evaluate(() => {
    const { taps } = globalThis as unknown as { taps: Map<string, { gain: GainNode; meter: AnalyserNode }> };
    return Object.fromEntries(
      [...taps].map(([id, { gain, meter }]) => {
        const samples = new Float32Array(meter.fftSize);
        meter.getFloatTimeDomainData(samples);
        return [id, { gain: gain.gain.value, peak: samples.reduce((most, it) => Math.max(most, Math.abs(it)), 0) }];
      }),
    );
  });
}
