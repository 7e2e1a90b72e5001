import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { type Command, CommandOutcome, type CommandResult, CommandSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Availability } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { openCameraRoom } from "./camera-room.sim.ts";
import { Commands } from "./commands.ts";

async function startRoom(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "xiezhi-commands-"));
  t.after(() => rm(folder, { recursive: true }));
  const clock = new SimulatedClock();
  const { sim, devices } = await openCameraRoom(t, clock);
  devices.start();
  while (devices.list()[0]?.state?.availability !== Availability.AVAILABLE) await new Promise((resolve) => setImmediate(resolve));
  const file = join(folder, "commands.json");
  const audited: string[] = [];
  const answered = async (deviceId: string, { sentBy }: Command, { reason }: CommandResult) => {
    audited.push(`${deviceId} ${sentBy} ${reason || "done"}`);
  };
  const start = async () => {
    const commands = new Commands({ clock, log: silentLog, file, devices, answered });
    await commands.open();
    return commands;
  };
  return { sim, clock, commands: await start(), start, audited };
}

const command = (what: MessageInitShape<typeof CommandSchema>) => create(CommandSchema, { id: newId(systemClock), ...what });
const preset = (token: string, ttlMs = 0) => command({ ttlMs, what: { case: "recallPreset", value: { token } } });
const said = ({ outcome, reason }: CommandResult) => [CommandOutcome[outcome], reason];

test("a command is done once however often it comes, also after a restart", { timeout: 10_000 }, async (t) => {
  const { sim, clock, commands, start } = await startRoom(t);
  const once = preset("2");
  const [one, two] = await Promise.all([commands.submit("cam", once), commands.submit("cam", once)]);
  assert.deepEqual(said(one), ["DONE", ""]);
  assert.equal(two, one);
  const restarted = await start();
  assert.deepEqual(await restarted.submit("cam", once), one);
  assert.deepEqual(sim.turnedTo, ["2"]);
  clock.stepUtcMs(121_000);
  await restarted.submit("cam", preset("2"));
  assert.equal((await restarted.submit("cam", once)).outcome, CommandOutcome.DONE);
  assert.equal(sim.turnedTo.length, 3, "an id older than twice the longest ttl is nobody's repetition");
});

test("a sender's or the room's clock that is an hour off changes nothing: a command's time counts from its arrival", {
  timeout: 10_000,
}, async (t) => {
  const { sim, clock, commands } = await startRoom(t);
  const hourMs = 3_600_000;
  const { what } = preset("2");
  for (const sentAtMs of [clock.nowMs() - hourMs, clock.nowMs() + hourMs])
    assert.deepEqual(said(await commands.submit("cam", command({ what, ttlMs: 1_000, sentAtMs: BigInt(sentAtMs) }))), ["DONE", ""]);
  clock.stepUtcMs(hourMs);
  assert.deepEqual(said(await commands.submit("cam", command({ what, ttlMs: 1_000 }))), ["DONE", ""]);
  assert.equal(sim.turnedTo.length, 3);
});

test("each no has its reason: device, capability, preset, login, silence, lateness", { timeout: 10_000 }, async (t) => {
  const { sim, clock, commands } = await startRoom(t);
  assert.deepEqual(said(await commands.submit("door", preset("1"))), ["REFUSED", "DEVICES_NO_DEVICE"]);
  assert.deepEqual(said(await commands.submit("cam", preset("nowhere"))), ["REFUSED", "DEVICES_NO_SUCH_PRESET"]);
  assert.deepEqual(said(await commands.submit("cam", command({}))), ["REFUSED", "DEVICES_NO_SUCH_CAPABILITY"]);
  sim.faults.mute = true;
  const silent = commands.submit("cam", preset("2"));
  const behind = commands.submit("cam", preset("2", 100));
  await clock.advanceMs(400);
  assert.deepEqual(said(await silent), ["FAILED", "DEVICES_AWAY"]);
  assert.deepEqual(said(await behind), ["EXPIRED", "DEVICES_COMMAND_EXPIRED"]);
  assert.deepEqual(sim.turnedTo, []);
});
