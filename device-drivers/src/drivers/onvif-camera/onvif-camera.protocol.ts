import { Agent, type ClientRequestArgs } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { Cam, type RequestCallback } from "onvif";
import { DeviceError, type DeviceFacts } from "../../driver.ts";

/** More than any camera's longest answer; a hostile one must not fill memory. */
const ANSWER_LIMIT_BYTES = 2 * 1024 * 1024;
/** What a person is shown of a name that a camera gave. */
const NAME_LIMIT = 100;

interface OnvifLogin {
  url: string;
  username: string;
  password: Secret;
  rtspPorts: readonly number[];
  timeoutMs: number;
}

/**
 * One camera's ONVIF services as typed facts (ONVIF Core, Media, PTZ). The npm client speaks the SOAP; here stand its limits:
 * the host is always the configured one, answers are bounded, and what a camera calls itself is cut to plain text.
 */
export class OnvifClient {
  private readonly cam: Cam;
  private readonly login: OnvifLogin;
  private readonly clock: Clock;
  private readonly sockets = new BoundedAgent();
  private readonly host: string;
  private connected = false;

  constructor(login: OnvifLogin, clock: Clock, signal: AbortSignal) {
    const url = new URL(login.url);
    if (url.protocol !== "http:") throw new DeviceError("unsupported", "the camera's address must begin with http://");
    this.login = login;
    this.clock = clock;
    this.host = url.hostname;
    this.cam = new Cam({
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || 80),
      path: url.pathname,
      username: login.username,
      password: login.password.reveal(),
      timeout: login.timeoutMs,
      autoconnect: false,
      preserveAddress: true,
      agent: this.sockets,
    });
    signal.addEventListener("abort", () => this.close(), { once: true });
  }

  /** Asks the camera all that it tells of itself; the first answer (its clock) is also what its login is computed from. */
  async facts(): Promise<DeviceFacts> {
    if (!this.connected) {
      await this.ask("connect", (answer) => this.cam.connect(answer));
      this.connected = true;
    }
    const askedUs = this.clock.monoUs();
    const date = await this.ask<Date>("GetSystemDateAndTime", (answer) => this.cam.getSystemDateAndTime(answer));
    const roundTripMs = (this.clock.monoUs() - askedUs) / 1e3;
    const about = await this.ask("GetDeviceInformation", (answer) => this.cam.getDeviceInformation(answer));
    const presets = await this.presets();
    const facts: DeviceFacts = {
      manufacturer: plain(about?.manufacturer),
      model: plain(about?.model),
      firmware: plain(about?.firmwareVersion),
      profiles: this.profiles(),
      ...(presets ? { presets } : {}),
    };
    const at = date instanceof Date ? date.getTime() : Number.NaN;
    // ONVIF tells whole seconds: half of one is the middle of what it may mean.
    if (Number.isFinite(at)) facts.clockOffsetMs = Math.round(at + 500 + roundTripMs / 2 - this.clock.nowMs());
    return facts;
  }

  /** RTSP address of a profile on the configured host; only path, query and a permitted port are the camera's word. */
  async streamUrl(profileToken: string): Promise<string> {
    const answer = await this.ask("GetStreamUri", (done) =>
      this.cam.getStreamUri({ protocol: "RTSP", profileToken: xml(profileToken) }, done),
    );
    const named = typeof answer?.uri === "string" && URL.canParse(answer.uri) ? new URL(answer.uri) : undefined;
    if (!named || named.protocol !== "rtsp:") throw new DeviceError("protocol", "the camera named no rtsp:// address");
    const port = Number(named.port || 554);
    if (!this.login.rtspPorts.includes(port))
      throw new DeviceError("refused", `the camera named port ${port} for its stream; permitted are ${this.login.rtspPorts.join(", ")}`);
    return `rtsp://${this.host}:${port}${named.pathname}${named.search}`;
  }

  async recallPreset(profileToken: string, preset: string): Promise<void> {
    await this.ask("GotoPreset", (done) => this.cam.gotoPreset({ profileToken: xml(profileToken), preset: xml(preset) }, done));
  }

  async requestKeyFrame(profileToken: string): Promise<void> {
    await this.ask("SetSynchronizationPoint", (done) => this.cam.setSynchronizationPoint({ profileToken: xml(profileToken) }, done));
  }

  close(): void {
    this.sockets.destroy();
  }

  private async presets(): Promise<DeviceFacts["presets"]> {
    const profileToken = this.cam.profiles?.find((profile) => profile.PTZConfiguration)?.["$"]?.token;
    if (typeof profileToken !== "string") return undefined;
    const found = await this.ask<Record<string, { $?: { token?: unknown } }>>("GetPresets", (done) =>
      this.cam.getPresets({ profileToken: xml(profileToken) }, done),
    );
    return Object.entries(found ?? {})
      .slice(0, 256)
      .map(([name, preset]) => ({ name: plain(name), token: plain(preset.$?.token) }));
  }

  private profiles(): NonNullable<DeviceFacts["profiles"]> {
    return (this.cam.profiles ?? []).slice(0, 32).flatMap((profile) => {
      const encoder = profile.videoEncoderConfiguration;
      const token = profile["$"]?.token ?? profile.token;
      if (!encoder || typeof token !== "string") return [];
      return [
        {
          token,
          encoding: plain(encoder.encoding),
          width: Number(encoder.resolution?.width) || 0,
          height: Number(encoder.resolution?.height) || 0,
          framesPerSecond: Number(encoder.rateControl?.frameRateLimit) || 0,
        },
      ];
    });
  }

  private ask<T = Record<string, unknown> & { uri?: string; manufacturer?: string; model?: string; firmwareVersion?: string }>(
    what: string,
    send: (answer: RequestCallback<T>) => void,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      try {
        send((error, data) => (error ? reject(toDeviceError(what, error)) : resolve(data)));
      } catch (error) {
        reject(toDeviceError(what, error as Error));
      }
    });
  }
}

function toDeviceError(what: string, cause: Error & { code?: string }): DeviceError {
  if (cause.code !== undefined || /timeout|socket hang up/i.test(cause.message))
    return new DeviceError("away", `${what}: no answer`, { cause });
  if (/auth|401|not ?authorized|sender not/i.test(cause.message))
    return new DeviceError("refused", `${what}: the camera refuses the login`, { cause });
  return new DeviceError("protocol", `${what}: the answer is not understood`, { cause });
}

/** The npm client writes what it is given into its XML as it is. */
function xml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** Names that a camera gave, as one short line of printable text. */
function plain(name: unknown): string {
  // The npm client makes numbers of what looks like one.
  return (typeof name === "string" || typeof name === "number" ? String(name) : "")
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, NAME_LIMIT);
}

/** Sockets that end once a camera has said more than any honest answer holds. */
class BoundedAgent extends Agent {
  override createConnection(options: ClientRequestArgs): Duplex {
    const socket: Socket = connect({ host: options.hostname ?? options.host ?? "", port: Number(options.port) });
    socket.on("data", () => {
      if (socket.bytesRead > ANSWER_LIMIT_BYTES) socket.destroy(Object.assign(new Error("answer too long"), { code: "ETOOLONG" }));
    });
    return socket;
  }
}
