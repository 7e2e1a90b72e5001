import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { openRtsp } from "@xiezhi/rtsp/client.ts";
import { loadTestClip } from "../../sim/clips.ts";
import { conforms, standLogin } from "../../sim/conforms.ts";
import { sampleDevice } from "./sample-device.driver.ts";
import { startSampleDeviceSim } from "./sample-device.sim.ts";

const context = () => ({ clock: systemClock, signal: AbortSignal.timeout(8_000) });

conforms(sampleDevice, async () => {
  const sim = await startSampleDeviceSim({ clock: systemClock, clip: await loadTestClip("picture"), login: standLogin });
  return {
    config: { url: sim.url, ...standLogin, timeoutMs: 300 },
    fault: (name) => Object.assign(sim.faults, { [name]: true }),
    close: () => sim.close(),
  };
});

test("the address that it gives can be recorded: packets of the picture come", async (t) => {
  const sim = await startSampleDeviceSim({ clock: systemClock, clip: await loadTestClip("picture"), login: standLogin });
  t.after(() => sim.close());
  const { media } = await sampleDevice.open(readConfig(sampleDevice.config, { url: sim.url, ...standLogin }, "device"), context());
  const { url = "", username = "", password } = media[0] ?? {};
  assert.ok(password);
  const arrived = Promise.withResolvers<void>();
  const onRtp = () => arrived.resolve();
  const session = await openRtsp({ url, username, password, wants: () => true, onRtp, onSenderReport: () => {}, ...context() });
  await arrived.promise;
  await session.close();
});

test("one that offers sound only is unsupported", async (t) => {
  const sim = await startSampleDeviceSim({ clock: systemClock, clip: await loadTestClip("aac"), login: standLogin });
  t.after(() => sim.close());
  const config = readConfig(sampleDevice.config, { url: sim.url, ...standLogin }, "device");
  await assert.rejects(sampleDevice.open(config, context()), { kind: "unsupported" });
});
