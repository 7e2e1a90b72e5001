import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog as log } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { startTestCamera } from "@xiezhi/media/capture/testing.ts";
import type { RoomTrack, StartStep } from "./recording.model.ts";
import { Recording } from "./recording.part.ts";

const actor = { userId: "u1", name: "书记员" };

function camera(number: number, id: string, url: string): RoomTrack {
  return { number, id, kind: "video", deviceId: id, seatId: "", label: id, main: { url, rtspTrack: 0 } };
}

async function room(t: TestContext) {
  const stateFolder = mkdtempSync(join(tmpdir(), "xz-"));
  const first = await startTestCamera();
  const second = await startTestCamera();
  const tracks = [camera(1, "cam-judge", first.url), camera(2, "cam-witness", second.url)];
  const open = async () => {
    const processes = new Processes(clock, log);
    const recording = new Recording({ clock, log, processes, siteId: "court-1", roomId: "courtroom-1", stateFolder, agentVersion: "test" });
    await recording.open(tracks);
    return { recording, processes };
  };
  const opened = await open();
  t.after(async () => {
    await opened.recording.close();
    await opened.processes.stopAll();
    await Promise.all([first.close(), second.close()]);
    rmSync(stateFolder, { recursive: true, force: true });
  });
  return { ...opened, stateFolder, first, second };
}

async function until<T>(look: () => T | undefined | false | null): Promise<T> {
  for (const endUs = clock.monoUs() + 10e6; clock.monoUs() < endUs; await clock.sleep(20)) {
    const seen = look();
    if (seen) return seen;
  }
  throw new Error("it did not come");
}

test("a warm room starts at once, marks, pauses, resumes and ends", async (t) => {
  const { recording } = await room(t);
  recording.warm(true);
  await until(() => recording.status().tracks.every((track) => track.source === "running"));
  const steps: StartStep[] = [];
  const takeId = newId();
  const order = {
    takeId,
    hearingId: newId(),
    unlisted: true,
    caseReferences: [],
    title: "t",
    actor,
    requestId: newId(),
    pressedUs: clock.monoUs(),
  };
  const started = await recording.start(order, (step) => steps.push(step));
  console.error(started, steps);
  assert.equal(recording.status().phase, "recording");
  await clock.sleep(1500);
  console.error(recording.status());
  await recording.mark({ type: "note", text: "x", actor, requestId: newId() });
  console.error(await recording.pause({ reason: 1, decidedBy: "审判长", actor, requestId: newId() }));
  await clock.sleep(500);
  console.error(await recording.resume({ actor, requestId: newId() }));
  await clock.sleep(1000);
  console.error(await recording.end({ actor, requestId: newId(), reason: "pressed" }));
  console.error(recording.takes(), recording.processList());
});
