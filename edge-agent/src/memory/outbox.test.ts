import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { DeviceEventSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { Outbox } from "./outbox.ts";

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "xiezhi-outbox-"));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, "events");
}

async function open(folder: string) {
  const outbox = new Outbox(DeviceEventSchema, folder, silentLog);
  await outbox.open();
  const waiting = () => outbox.waiting().map(({ deviceId }) => deviceId);
  return { outbox, waiting };
}

const event = (clock: SimulatedClock, deviceId: string) => create(DeviceEventSchema, { id: newId(clock), deviceId });

test("what waits outlives a restart, in the order in which it happened, until it is taken; a torn file stays aside", async (t) => {
  const [folder, clock] = [await aFolder(t), new SimulatedClock()];
  const { outbox, waiting } = await open(folder);
  const events = ["a", "b", "c"].map((name) => {
    clock.stepUtcMs(1);
    return event(clock, name);
  });
  let heard = 0;
  const unheard = outbox.onAdd(() => (heard += 1));
  for (const each of events) await outbox.add(each.id, each);
  assert.deepEqual([heard, waiting()], [3, ["a", "b", "c"]]);
  const torn = `${newId(clock)}.json`;
  await writeFile(join(folder, torn), '{"id":"to');
  const again = await open(folder);
  assert.deepEqual(again.waiting(), ["a", "b", "c"]);
  await again.outbox.taken([events[0]!.id, events[2]!.id, "../../never-there"]);
  assert.deepEqual(again.waiting(), ["b"]);
  assert.deepEqual((await readdir(folder)).toSorted(), [`${events[1]!.id}.json`, torn].toSorted());
  unheard();
  await outbox.add(events[0]!.id, events[0]!);
  assert.equal(heard, 3);
});

test("a disk that keeps nothing more stops nothing: what waits is still said", async (t) => {
  const [folder, clock] = [await aFolder(t), new SimulatedClock()];
  const { outbox, waiting } = await open(folder);
  await rm(folder, { recursive: true });
  await writeFile(folder, "no folder");
  const lost = event(clock, "a");
  await outbox.add(lost.id, lost);
  assert.deepEqual(waiting(), ["a"]);
});
