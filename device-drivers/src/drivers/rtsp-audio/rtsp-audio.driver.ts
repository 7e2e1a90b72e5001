import { config, field } from "@xiezhi/base/config.ts";
import { defineDriver, type MediaSource } from "../../driver.ts";
import { RtspAudioClient } from "./rtsp-audio.protocol.ts";

const RtspAudioConfig = config({
  url: field.url("Stream address without credentials, such as rtsp://10.0.4.20/microphones"),
  username: field.optional(field.text("Login at the encoder")),
  password: field.optional(field.secret("Shown as *** everywhere")),
  timeoutMs: field.int("Give up one question to the encoder", { min: 100, max: 60_000, default: 3_000 }),
});

/** An encoder behind a mixer: one microphone for each RTSP sound track, or for each channel of one. */
export const rtspAudio = defineDriver({
  id: "rtsp-audio",
  config: RtspAudioConfig,
  capabilities: [],
  async open(config, { signal, clock }) {
    const encoder = new RtspAudioClient(config, clock, signal);
    const offered = await encoder.microphones();
    const { url, username, password } = config;
    const media = offered.map(
      ({ rtspTrack, channel }, index): MediaSource => ({
        id: `mic-${index + 1}`,
        kind: "audio",
        role: "evidence",
        url,
        rtspTrack,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
        ...(channel === undefined ? {} : { channel }),
      }),
    );
    return {
      facts: await encoder.facts(),
      media,
      controls: {},
      probe: () => encoder.facts(),
      close: async () => {},
    };
  },
});
