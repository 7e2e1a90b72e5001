import { create } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import type { Log } from "@xiezhi/base/log.ts";
import type { MediaSource, OpenDevice } from "@xiezhi/drivers/driver.ts";
import { DeviceError } from "@xiezhi/drivers/driver.ts";
import { driverOf } from "@xiezhi/drivers/registry.ts";
import {
  Availability,
  type Device,
  DeviceSchema,
  type DeviceState,
  DeviceStateSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import type { DeviceConfig } from "../agent.config.ts";

/** How often a device is asked whether it still lives. */
const PROBE_EACH_MS = 5_000;
/** One attempt to open a device; longer than any driver's own questions. */
const OPEN_WITHIN_MS = 15_000;
/** A device that comes back during a hearing is missed for little more than this. */
const BACK_OFF_MS = { first: 500, most: 1_500 };

export interface DevicesOptions {
  clock: Clock;
  log: Log;
  roomId: string;
  bootId: string;
  devices: readonly DeviceConfig[];
}

/** The supervisor of a room's devices: owns connecting, back-off and availability; what a device is, its driver knows. */
export class Devices {
  private readonly watched: Supervised[];
  private readonly listeners = new Set<() => void>();
  private readonly stop = new AbortController();

  constructor(options: DevicesOptions) {
    this.watched = options.devices.map((device) => new Supervised(device, options, () => this.changed()));
  }

  start(): void {
    for (const device of this.watched) void device.run(this.stop.signal);
  }

  async close(): Promise<void> {
    this.stop.abort(new Error("shutting down"));
    await Promise.all(this.watched.map((device) => device.close()));
  }

  /** Every device with its last proven state. */
  list(): Device[] {
    return this.watched.map((device) => device.described());
  }

  /** Where a device's medium is to be had; the last known place when the device is away now. */
  medium(deviceId: string, mediumId: string): { source?: MediaSource; reason: string } {
    const device = this.watched.find(({ config }) => config.id === deviceId);
    const source = device?.media.find(({ id }) => id === mediumId);
    return source ? { source, reason: "" } : { reason: device?.reason || "the device has no such medium" };
  }

  /** What a device can be told now; undefined where no such device stands here. `reason`: why it can't be told anything. */
  obeying(deviceId: string): { open: OpenDevice | undefined; reason: string } | undefined {
    const device = this.watched.find(({ config }) => config.id === deviceId);
    return device && { open: device.open, reason: device.reason || "not asked yet" };
  }

  /** Called whenever a state has changed. Returns the way to stop it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** One device from attempt to attempt. */
class Supervised {
  readonly config: DeviceConfig;
  media: readonly MediaSource[] = [];
  reason = "";
  private readonly options: DevicesOptions;
  private readonly changed: () => void;
  private readonly settings: unknown;
  private readonly log: Log;
  private state: DeviceState;
  open: OpenDevice | undefined;

  constructor(config: DeviceConfig, options: DevicesOptions, changed: () => void) {
    this.config = config;
    this.options = options;
    this.changed = changed;
    this.log = options.log.child({ device: config.id });
    this.settings = readConfig(driverOf(config.driver).config, config.config, `device ${config.id}`);
    const now = BigInt(options.clock.nowMs());
    this.state = create(DeviceStateSchema, { availability: Availability.UNKNOWN, sinceMs: now, bootId: options.bootId });
  }

  described(): Device {
    const { id, driver, name } = this.config;
    return create(DeviceSchema, {
      id,
      roomId: this.options.roomId,
      driver,
      name,
      capabilities: Object.keys(this.open?.controls ?? {}),
      state: this.state,
    });
  }

  async run(stop: AbortSignal): Promise<void> {
    const { clock } = this.options;
    let backOffMs = BACK_OFF_MS.first;
    while (!stop.aborted) {
      try {
        await this.attempt(stop);
        backOffMs = BACK_OFF_MS.first;
        for (;;) {
          await clock.sleep(PROBE_EACH_MS, stop);
          await this.prove();
        }
      } catch (error) {
        if (stop.aborted) return;
        this.lost(error);
      }
      await clock.sleep(backOffMs, stop).catch(() => {});
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS.most);
    }
  }

  async close(): Promise<void> {
    const { open } = this;
    this.open = undefined;
    await open?.close().catch((error: unknown) => this.log.warn({ err: error }, "did not close"));
  }

  private async attempt(stop: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const late = new AbortController();
    const timer = clock.after(OPEN_WITHIN_MS, () => late.abort(new DeviceError("away", "the device does not answer in time")));
    try {
      const signal = AbortSignal.any([stop, late.signal]);
      const opening = driverOf(this.config.driver).open(this.settings, { signal, clock });
      this.open = await Promise.race([opening, aborted(signal)]);
    } finally {
      timer.cancel();
    }
    this.media = this.open.media;
    this.reason = "";
    this.proven(this.open.facts);
  }

  private async prove(): Promise<void> {
    if (this.open) this.proven(await this.open.probe());
  }

  private proven({ manufacturer = "", model = "", firmware = "", clockOffsetMs, presets = [], profiles = [] }: OpenDevice["facts"]): void {
    this.set({
      availability: Availability.AVAILABLE,
      reason: "",
      provenAtMs: BigInt(this.options.clock.nowMs()),
      manufacturer,
      model,
      firmware,
      presets: presets.map((preset) => ({ ...preset, $typeName: "xiezhi.devices.v1.Preset" })),
      profiles: profiles.map((profile) => ({ ...profile, $typeName: "xiezhi.devices.v1.MediaProfile" })),
      ...(clockOffsetMs === undefined ? {} : { clockOffsetMs: BigInt(clockOffsetMs) }),
    });
  }

  private lost(error: unknown): void {
    // Only a driver's own words are for people; anything else is a fault of ours and belongs in the log.
    this.reason = error instanceof DeviceError ? error.message : "the driver failed";
    this.log.warn({ err: error }, "device is not available");
    this.set({ availability: Availability.UNAVAILABLE, reason: this.reason });
    void this.close();
  }

  private set(changes: Partial<Omit<DeviceState, "$typeName">>): void {
    const since = changes.availability === this.state.availability ? this.state.sinceMs : BigInt(this.options.clock.nowMs());
    this.state = create(DeviceStateSchema, { ...this.state, ...changes, sinceMs: since, seq: this.state.seq + 1n });
    this.changed();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
