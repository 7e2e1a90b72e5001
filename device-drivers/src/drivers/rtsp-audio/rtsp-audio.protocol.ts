import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { describeRtsp } from "@xiezhi/rtsp/client.ts";
import { RtspError } from "@xiezhi/rtsp/conversation.ts";
import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import { DeviceError, type DeviceFacts } from "../../driver.ts";

interface RtspAudioLogin {
  url: string;
  username?: string | undefined;
  password?: Secret | undefined;
  timeoutMs: number;
}

const RECORDABLE = ["MPEG4-GENERIC", "PCMA", "PCMU", "L16"];

/** What an encoder offers, asked by DESCRIBE alone (RFC 2326 clause 10.2): nothing flows, so asking never disturbs a recording. */
export class RtspAudioClient {
  private readonly login: RtspAudioLogin;
  private readonly clock: Clock;
  private readonly signal: AbortSignal;

  constructor(login: RtspAudioLogin, clock: Clock, signal: AbortSignal) {
    this.login = login;
    this.clock = clock;
    this.signal = signal;
  }

  /** One microphone a sound track, or a channel where a track has several. */
  async microphones(): Promise<{ rtspTrack: number; channel?: number }[]> {
    const tracks = await this.sounds();
    if (tracks.length === 0) throw new DeviceError("unsupported", `the encoder offers no sound in ${RECORDABLE.join(", ")}`);
    return tracks.flatMap(({ channels }, rtspTrack) =>
      channels === 1 ? [{ rtspTrack }] : Array.from({ length: channels }, (_, channel) => ({ rtspTrack, channel })),
    );
  }

  async facts(): Promise<DeviceFacts> {
    const tracks = await this.sounds();
    return { model: tracks.map(({ encoding, clockRate, channels }) => `${encoding}/${clockRate}/${channels}`).join(" ") };
  }

  private async sounds(): Promise<RtspTrackInfo[]> {
    const { url, username, password, timeoutMs } = this.login;
    try {
      const tracks = await describeRtsp({
        url,
        clock: this.clock,
        signal: this.signal,
        responseTimeoutMs: timeoutMs,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      });
      return tracks.filter(({ kind, encoding, channels }) => kind === "audio" && RECORDABLE.includes(encoding) && channels <= 8);
    } catch (error) {
      throw toDeviceError(error);
    }
  }
}

function toDeviceError(error: unknown): unknown {
  if (!(error instanceof RtspError)) return error;
  if (error.kind === "unauthorized") return new DeviceError("refused", "the encoder refuses the login", { cause: error });
  if (error.kind === "protocol") return new DeviceError("protocol", "the encoder's answer is not understood", { cause: error });
  return new DeviceError("away", "the encoder does not answer", { cause: error });
}
