import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import type { z } from "zod";

/** Where a picture or a sound is to be had. The driver says so; it never touches a frame. */
export interface MediaSource {
  /** Plain name, unique in the device: `main`, `small`, `mic-1`. */
  id: string;
  kind: "video" | "audio";
  /** `evidence` is recorded; `small` is the second stream for live tiles. */
  role: "evidence" | "small";
  /** rtsp://host:port/path on the configured host, without credentials. */
  url: string;
  username?: string;
  password?: Secret;
  /** Which of the session's media of this kind, from 0. */
  rtspTrack: number;
  /** Which channel of a multichannel medium, from 0. Absent: all of it. */
  channel?: number;
}

/** What a device told of itself when it was last asked. Absent: it tells no such thing. */
export interface DeviceFacts {
  manufacturer?: string;
  model?: string;
  firmware?: string;
  /** Device clock minus ours, milliseconds. */
  clockOffsetMs?: number;
  presets?: readonly { token: string; name: string }[];
  profiles?: readonly { token: string; encoding: string; width: number; height: number; framesPerSecond: number }[];
}

/** What a device can be told to do, one member a capability. An open device has exactly those that its driver declares and it offers. */
export interface Controls {
  presets?: { recall(token: string): Promise<void> };
  /** Asks for a key frame now (ONVIF SetSynchronizationPoint). */
  keyFrame?: { request(): Promise<void> };
}
export type Capability = keyof Controls;

export interface OpenDevice {
  facts: DeviceFacts;
  media: readonly MediaSource[];
  controls: Controls;
  /** One question whose answer proves that the device lives. */
  probe(): Promise<DeviceFacts>;
  close(): Promise<void>;
}

export interface DriverContext {
  signal: AbortSignal;
  clock: Clock;
}

/** A driver makes one attempt. No retry, no timer inside: the supervisor owns connect, back-off and availability. */
export interface Driver<C extends z.ZodType = z.ZodType> {
  id: string;
  config: C;
  capabilities: readonly Capability[];
  open(config: z.output<C>, context: DriverContext): Promise<OpenDevice>;
}

export function defineDriver<C extends z.ZodType>(driver: Driver<C>): Driver<C> {
  return driver;
}

/** Why a device could not be opened or did not obey; the words are shown to people, so nothing in them comes from the wire as it is. */
export class DeviceError extends Error {
  readonly kind: "away" | "refused" | "protocol" | "unsupported";

  constructor(kind: DeviceError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeviceError";
    this.kind = kind;
  }
}
