import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { describeRtsp } from "@xiezhi/rtsp/client.ts";
import { RtspError } from "@xiezhi/rtsp/conversation.ts";
import { DeviceError, type DeviceFacts } from "../../driver.ts";

interface SampleDeviceLogin {
  url: string;
  username: string;
  password: Secret;
  timeoutMs: number;
}

/** What the device offers, asked by DESCRIBE alone (RFC 2326 clause 10.2): asking never disturbs a recording. */
export class SampleDeviceClient {
  private readonly login: SampleDeviceLogin;
  private readonly clock: Clock;
  private readonly signal: AbortSignal;

  constructor(login: SampleDeviceLogin, clock: Clock, signal: AbortSignal) {
    this.login = login;
    this.clock = clock;
    this.signal = signal;
  }

  /** One question; its answer proves that the device lives and has a picture that can be recorded. */
  async facts(): Promise<DeviceFacts> {
    const { url, username, password, timeoutMs } = this.login;
    const asked = { url, username, password, responseTimeoutMs: timeoutMs, clock: this.clock, signal: this.signal };
    const tracks = await describeRtsp(asked).catch((error: unknown) => {
      throw toDeviceError(error);
    });
    const [picture] = tracks.filter(({ kind }) => kind === "video");
    if (picture?.encoding !== "H264") throw new DeviceError("unsupported", "the device offers no picture in H264");
    return { model: `${picture.encoding}/${picture.clockRate}` };
  }
}

/** Why, in the words that a supervisor and a person understand. */
function toDeviceError(error: unknown): unknown {
  if (!(error instanceof RtspError)) return error;
  if (error.kind === "unauthorized") return new DeviceError("refused", "the device refuses the login", { cause: error });
  if (error.kind === "protocol") return new DeviceError("protocol", "the device's answer is not understood", { cause: error });
  return new DeviceError("away", "the device does not answer", { cause: error });
}
