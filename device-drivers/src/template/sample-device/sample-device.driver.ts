import { config, field } from "@xiezhi/base/config.ts";
import { defineDriver } from "../../driver.ts";
import { SampleDeviceClient } from "./sample-device.protocol.ts";

const SampleDeviceConfig = config({
  url: field.url("Stream address without credentials, such as rtsp://10.0.4.30/picture"),
  username: field.text("Login at the device"),
  password: field.secret("Shown as *** everywhere"),
  timeoutMs: field.int("Give up one question to the device", { min: 100, max: 60_000, default: 3_000 }),
});

/** A device that gives one picture by RTSP and can be told nothing. */
export const sampleDevice = defineDriver({
  id: "sample-device",
  config: SampleDeviceConfig,
  capabilities: [],
  async open(config, { signal, clock }) {
    const device = new SampleDeviceClient(config, clock, signal);
    const { url, username, password } = config;
    return {
      facts: await device.facts(),
      media: [{ id: "main", kind: "video", role: "evidence", url, username, password, rtspTrack: 0 }],
      controls: {},
      probe: () => device.facts(),
      close: async () => {},
    };
  },
});
