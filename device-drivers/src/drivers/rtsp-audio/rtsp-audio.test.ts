import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { loadTestClip } from "../../sim/clips.ts";
import { conforms, standLogin } from "../../sim/conforms.ts";
import { rtspAudio } from "./rtsp-audio.driver.ts";
import { startRtspAudioSim } from "./rtsp-audio.sim.ts";

conforms(rtspAudio, async () => {
  const clips = [await loadTestClip("aac"), await loadTestClip("pcma")];
  const sim = await startRtspAudioSim({ clock: systemClock, clips, login: standLogin });
  return {
    config: { url: sim.url, ...standLogin, timeoutMs: 300 },
    fault: (name) => Object.assign(sim.faults, { [name]: true }),
    close: () => sim.close(),
  };
});

test("an encoder that sends pictures only is unsupported, and what could be recorded is named", async (t) => {
  const sim = await startRtspAudioSim({ clock: systemClock, clips: [await loadTestClip("picture")], login: standLogin });
  t.after(() => sim.close());
  const config = readConfig(rtspAudio.config, { url: sim.url, ...standLogin }, "encoder");
  const opening = rtspAudio.open(config, { clock: systemClock, signal: AbortSignal.timeout(8_000) });
  await assert.rejects(opening, { kind: "unsupported", message: /PCMA/ });
});
