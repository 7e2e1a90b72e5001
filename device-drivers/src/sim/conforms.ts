import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { DeviceError, type Driver, type OpenDevice } from "../driver.ts";

/** What simulators ask for; a driver's words and addresses must not repeat the password. */
export const standLogin = { username: "xiezhi", password: "not-a-default-1" };

/** A driver's simulator, stood up, and what the driver is configured with to reach it. */
export interface Stand {
  config: Record<string, unknown>;
  /** Turns one fault on. */
  fault(name: "mute" | "refuseLogin" | "garbage"): void;
  close(): Promise<void>;
}

/** Tests what is asked of every driver; each driver's own test calls it with how its simulator is stood up. */
export function conforms(driver: Driver, standUp: () => Promise<Stand>): void {
  const { id, capabilities } = driver;

  function open({ signal }: TestContext, { config }: Stand): Promise<OpenDevice> {
    return driver.open(readConfig(driver.config, config, id), { clock: systemClock, signal });
  }

  test(`${id}: what it declares it has, and nothing else; probing proves it; closing leaves nothing`, async (t) => {
    const stand = await standUp();
    t.after(() => stand.close());
    const device = await open(t, stand);
    assert.deepEqual(Object.keys(device.controls).sort(), [...capabilities].sort());
    assert.ok(
      device.media.some((source) => source.role === "evidence"),
      "it gives something to record",
    );
    for (const { url } of device.media)
      assert.ok(!url.includes(standLogin.password) && new URL(url).username === "", "an address holds no secret");
    assert.ok((await device.probe()).model);
    await device.close();
  });

  for (const [name, kinds] of [
    ["mute", ["away"]],
    ["refuseLogin", ["refused"]],
    // Bytes that are no answer are passed over until one comes (RTSP) or are one that says nothing (SOAP).
    ["garbage", ["protocol", "away"]],
  ] as const)
    test(`${id}: ${name} is told as ${kinds.join(" or ")}, without a secret in the words`, async (t) => {
      const stand = await standUp();
      t.after(() => stand.close());
      stand.fault(name);
      await assert.rejects(open(t, stand), (error) => {
        assert.ok(error instanceof DeviceError, String(error));
        assert.ok(
          kinds.some((kind) => kind === error.kind),
          error.message,
        );
        assert.ok(!error.message.includes(standLogin.password));
        return true;
      });
    });

  test(`${id}: unplugged, it is away and the process lives`, async (t) => {
    const stand = await standUp();
    const device = await open(t, stand);
    t.after(() => device.close());
    await stand.close();
    await assert.rejects(device.probe(), (error) => error instanceof DeviceError && error.kind === "away");
  });

  test(`${id}: configuration with a wrong key is refused by name`, async (t) => {
    const stand = await standUp();
    t.after(() => stand.close());
    assert.throws(() => readConfig(driver.config, { ...stand.config, pasword: "x" }, id), /pasword/);
  });
}
