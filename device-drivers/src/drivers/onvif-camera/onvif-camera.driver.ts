import { config, field } from "@xiezhi/base/config.ts";
import { defineDriver, type MediaSource } from "../../driver.ts";
import { OnvifClient } from "./onvif-camera.protocol.ts";

const OnvifCameraConfig = config({
  url: field.url("Device service address, such as http://10.0.4.7/onvif/device_service"),
  username: field.text("Login at the camera, for ONVIF and RTSP"),
  password: field.secret("Shown as *** everywhere"),
  rtspPorts: field.list("Ports that the camera may name for its streams", field.int("Port", { min: 1, max: 65_535 })).default([554, 8554]),
  timeoutMs: field.int("Give up one question to the camera", { min: 100, max: 60_000, default: 3_000 }),
});

/** A camera of ONVIF Profile S: its largest picture is evidence, its smallest one, if it has another, serves live tiles. */
export const onvifCamera = defineDriver({
  id: "onvif-camera",
  config: OnvifCameraConfig,
  capabilities: ["presets", "keyFrame"],
  async open(config, { signal, clock }) {
    const camera = new OnvifClient(config, clock, signal);
    const facts = await camera.facts();
    const [main, ...others] = [...(facts.profiles ?? [])].sort((a, b) => b.width * b.height - a.width * a.height);
    const small = others.at(-1);
    const source = async (id: "main" | "small", profile: string): Promise<MediaSource> => ({
      id,
      kind: "video",
      role: id === "main" ? "evidence" : "small",
      url: await camera.streamUrl(profile),
      username: config.username,
      password: config.password,
      rtspTrack: 0,
    });
    const media = main ? [await source("main", main.token)] : [];
    if (small) media.push(await source("small", small.token));
    return {
      facts,
      media,
      controls: {
        ...(facts.presets && main ? { presets: { recall: (token: string) => camera.recallPreset(main.token, token) } } : {}),
        ...(main ? { keyFrame: { request: () => camera.requestKeyFrame(main.token) } } : {}),
      },
      probe: () => camera.facts(),
      close: async () => camera.close(),
    };
  },
});
