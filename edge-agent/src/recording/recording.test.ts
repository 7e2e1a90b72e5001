import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog as log } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { readLedger } from "@xiezhi/ledger/model.ts";
import { exportTake } from "@xiezhi/media/export/export-take.ts";
import { holesIn, startTestCamera, startTestMicrophone, storedTrack, until } from "@xiezhi/media/capture/testing.ts";
import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { takeFilesIn } from "@xiezhi/media/take-files.ts";
import { verifyExport } from "@xiezhi/media/verify/verify.ts";
import { GapCause, InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { LivePiece, RoomTrack, SoundLevel, StartStep, StartTake } from "./recording.model.ts";
import { Recording } from "./recording.part.ts";

const STAND_IN = fileURLToPath(new URL("recording.stand-in.ts", import.meta.url));
const actor = { userId: "u1", name: "书记员" };
const judge = { reason: InterruptionReason.ADJOURN, decidedBy: "审判长", actor };
const ended = () => ({ actor, requestId: newId(), reason: "pressed" as const });

function newTake(): StartTake {
  const ids = { takeId: newId(), hearingId: newId(), requestId: newId() };
  return { ...ids, unlisted: true, caseReferences: ["（2026）粤0304民初1号"], title: "庭审", actor, pressedUs: clock.monoUs() };
}

/** A room with one camera, and all that must be let go afterwards. */
async function makeRoom(t: TestContext, options = { microphone: false }) {
  const stateFolder = mkdtempSync(join(tmpdir(), "xz-"));
  const camera = await startTestCamera();
  const microphone = await startTestMicrophone();
  const tracks: RoomTrack[] = [
    {
      number: 1,
      id: "cam-judge",
      kind: "video",
      deviceId: "cam-judge",
      seatId: "judge",
      label: "",
      main: { url: camera.url, rtspTrack: 0 },
    },
  ];
  if (options.microphone)
    tracks.push({
      number: 2,
      id: "mic-clerk",
      kind: "audio",
      deviceId: "mics",
      seatId: "clerk",
      label: "",
      main: { url: microphone.url, rtspTrack: 0 },
    });
  const opened: { recording: Recording; processes: Processes }[] = [];
  t.after(async () => {
    for (const { recording, processes } of opened) {
      await recording.close();
      await processes.stopAll();
    }
    await Promise.all([camera.close(), microphone.close()]);
    rmSync(stateFolder, { recursive: true, force: true });
  });
  const open = async (options: { takeMaxUs?: number } = {}) => {
    const processes = new Processes(clock, log);
    const identity = { siteId: "court-1", roomId: "courtroom-1", agentVersion: "test" };
    const recording = new Recording({ clock, log, processes, stateFolder, ...identity, ...options });
    await recording.open(tracks);
    opened.push({ recording, processes });
    const running = () => until(() => recording.status().tracks.every(({ source }) => source === "running"));
    return { recording, processes, running };
  };
  /** What a take's folder holds, once its export verifies. */
  const look = async (recording: Recording, takeId: string) => {
    const folder = join(stateFolder, "spool", takeId);
    const to = join(stateFolder, `export-${takeId}`);
    await exportTake({ from: takeFilesIn(folder), to, verifierKey: recording.verifierKey });
    assert.deepEqual(verifyExport(to).problems, []);
    const model = readLedger(readFileSync(join(folder, "ledger")));
    const kinds = [...readEntries(join(folder, "ledger"))].map(({ entry }) => entry.what.case);
    return { ...storedTrack(folder, { id: "cam-judge", number: 1 }), model, kinds };
  };
  return { stateFolder, camera, tracks, open, look };
}

const causes = (model: ReturnType<typeof readLedger>) => model.tracks[0]!.gaps.map(({ parts }) => parts.map(({ cause }) => cause));

describe("a room records", { concurrency: 3 }, () => {
  test("a warm room starts at once, marks, pauses, resumes, ends, and its ledger verifies", async (t) => {
    const room = await makeRoom(t);
    const { recording, running } = await room.open();
    assert.equal(recording.status().phase, "cold");
    recording.warm(true);
    await running();
    assert.equal(recording.status().phase, "warm");
    const steps: StartStep[] = [];
    const order = newTake();
    const started = await recording.start(order, (step) => steps.push(step));
    assert.ok(started.buttonToFirstParcelMs > 0 && started.buttonToFirstParcelMs < 1_200, `${started.buttonToFirstParcelMs} ms`);
    assert.ok(steps.every(({ ok }) => ok));
    assert.deepEqual(steps.map(({ device, step }) => `${device} ${step}`).sort(), [
      "cam-judge connect",
      "cam-judge first-parcel",
      "cam-judge key-frame",
      "courtroom-1 ledger",
      "courtroom-1 spool",
    ]);
    await assert.rejects(
      recording.start(newTake(), () => {}),
      { reason: "RECORDING_BUSY" },
    );
    const live: LivePiece[] = [];
    const watching = (async () => {
      for await (const piece of recording.watchLive([1], { small: false, signal: new AbortController().signal })) live.push(piece);
    })();
    await until(() => live.length > 3);
    assert.deepEqual(
      live.slice(0, 2).map((piece) => (piece.kind === "header" ? piece.codec.slice(0, 5) : piece.key)),
      ["avc1.", true],
    );
    const mark = await recording.mark({ type: "evidence", text: "证据一", actor, requestId: newId() });
    await recording.pause({ ...judge, requestId: newId() });
    await watching;
    assert.equal(recording.status().phase, "paused");
    await assert.rejects(recording.pause({ ...judge, requestId: newId() }), { reason: "RECORDING_PAUSED" });
    const [from, slept] = [room.camera.made(), await clock.sleep(300)];
    assert.equal(slept, undefined);
    const to = room.camera.made();
    await recording.resume({ actor, requestId: newId() });
    await clock.sleep(300);
    const { lengthUs } = await recording.end(ended());
    const { model, numbers, strays } = await room.look(recording, order.takeId);
    const [hole, ...others] = holesIn(numbers);
    assert.deepEqual([others, strays, causes(model)], [[], 0, []]);
    assert.ok(hole && hole[0] <= from && hole[1] > to);
    assert.deepEqual(
      model.marks.map(({ type, text }) => [type, text]),
      [
        ["start", ""],
        ["evidence", "证据一"],
      ],
    );
    assert.equal(model.marks[1]?.takeUs, mark.takeUs);
    assert.equal(model.interruptions.length, 1);
    assert.equal(model.end?.takeUs, lengthUs);
    assert.deepEqual(
      recording.takes().map(({ takeId, ended: over }) => [takeId, over]),
      [[order.takeId, true]],
    );
    await recording.markUploaded(order.takeId);
    assert.deepEqual(recording.takes(), []);
  });

  test("a killed capture worker costs the time until the next key frame, told apart in the ledger", async (t) => {
    const room = await makeRoom(t);
    const { recording, running } = await room.open();
    const order = newTake();
    await recording.start(order, () => {});
    await clock.sleep(500);
    const [worker] = recording.processList();
    process.kill(worker!.pid, "SIGKILL");
    await until(() => recording.status().tracks[0]?.source !== "running");
    await running();
    await clock.sleep(300);
    await recording.end(ended());
    const { model, numbers, strays } = await room.look(recording, order.takeId);
    const killed = causes(model).at(-1);
    assert.deepEqual(killed, [GapCause.DEAD, GapCause.CONNECTING, GapCause.WAITING_KEY_FRAME]);
    const gap = model.tracks[0]!.gaps.at(-1)!;
    const [hole, ...others] = holesIn(numbers);
    assert.deepEqual([others, strays], [[], 0]);
    assert.ok(Math.abs((gap.toUs - gap.fromUs) / 40_000 - (hole![1] - hole![0] - 1)) < 1.5, `${hole?.join()}, ${gap.toUs - gap.fromUs} µs`);
    assert.ok(gap.toUs - gap.fromUs < 4e6, `${gap.toUs - gap.fromUs} µs`);
  });

  test("a killed agent costs nothing: the next one adopts the worker and goes on with the ledger", async (t) => {
    const room = await makeRoom(t);
    const { pressedUs: _, ...start } = newTake();
    const agent = spawn(process.execPath, [STAND_IN, JSON.stringify({ stateFolder: room.stateFolder, tracks: room.tracks, start })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => agent.kill("SIGKILL"));
    await once(agent.stdout, "data");
    await assert.rejects(room.open(), /another agent/);
    agent.kill("SIGKILL");
    await once(agent, "exit");
    await clock.sleep(1_200);
    const { recording, running } = await room.open();
    assert.equal(recording.status().take?.takeId, start.takeId);
    await running();
    assert.equal(recording.status().phase, "recording");
    await clock.sleep(500);
    await recording.end(ended());
    const { model, numbers, kinds, stretches } = await room.look(recording, start.takeId);
    assert.deepEqual(holesIn(numbers), []);
    assert.ok(numbers.length > 40);
    assert.equal(stretches, 1);
    assert.equal(kinds.filter((kind) => kind === "restart").length, 1);
    assert.ok(
      causes(model)
        .flat()
        .every((cause) => cause !== GapCause.DEAD),
    );
  });

  test("an agent that stops in good order leaves the take to the next one", async (t) => {
    const room = await makeRoom(t);
    const first = await room.open();
    first.recording.warm(true);
    await first.running();
    const order = newTake();
    await first.recording.start(order, () => {});
    await first.recording.pause({ ...judge, requestId: newId() });
    await first.recording.close();
    const { recording, running } = await room.open();
    assert.equal(recording.status().phase, "paused");
    await running();
    await clock.sleep(300);
    await recording.resume({ actor, requestId: newId() });
    await clock.sleep(300);
    await recording.end(ended());
    const { model, numbers } = await room.look(recording, order.takeId);
    assert.equal(holesIn(numbers).length, 1);
    assert.equal(model.interruptions.length, 1);
    assert.deepEqual(causes(model), []);
  });

  test("a take that has reached its length goes on in another one, without a picture between", async (t) => {
    const room = await makeRoom(t);
    const { recording, running } = await room.open({ takeMaxUs: 1.5e6 });
    recording.warm(true);
    await running();
    const order = newTake();
    await recording.start(order, () => {});
    const next = await until(() => recording.takes()[1]?.takeId);
    await clock.sleep(300);
    assert.equal(recording.status().take?.hearingId, order.hearingId);
    await until(() => recording.status().take?.takeId === next && recording.status().phase === "recording");
    await recording.end(ended());
    const [before, after] = [await room.look(recording, order.takeId), await room.look(recording, next)];
    assert.equal(after.model.start?.continuesTakeId, order.takeId);
    assert.ok(after.numbers[0]! <= before.numbers.at(-1)! + 1, `${before.numbers.at(-1)} then ${after.numbers[0]}`);
    assert.deepEqual([holesIn(before.numbers), holesIn(after.numbers)], [[], []]);
  });

  test("sound that is encoded here is whole too, also when the codec worker is killed", async (t) => {
    const room = await makeRoom(t, { microphone: true });
    const { recording, running } = await room.open();
    recording.warm(true);
    await running();
    const heard: SoundLevel[] = [];
    const stop = recording.onLevels((levels) => heard.push(...levels));
    const order = newTake();
    await recording.start(order, () => {});
    await clock.sleep(1_500);
    process.kill(recording.processList().find(({ name }) => name === "codec")!.pid, "SIGKILL");
    // Less than another one needs to begin its work.
    await clock.sleep(300);
    stop();
    await recording.end(ended());
    const { model, stateFolder } = { ...(await room.look(recording, order.takeId)), ...room };
    const sound = storedTrack(join(stateFolder, "spool", order.takeId), { id: "mic-clerk", number: 2 });
    assert.deepEqual([sound.gaps, sound.stretches], [[], 1]);
    for (const [index, parcel] of sound.parcels.entries()) {
      const before = sound.parcels[index - 1];
      if (before) assert.equal(parcel.ticks, before.ticks + before.durationTicks);
    }
    const end = sound.parcels.at(-1)!;
    const missingUs = model.end!.takeUs - ((end.ticks + end.durationTicks) * 1e6) / 48_000;
    assert.ok(missingUs < 250_000, `${missingUs} µs are missing at the end`);
    assert.ok(
      heard.length >= 10 && heard.every(({ number, rmsDbfs }) => number === 2 && rmsDbfs > -30 && rmsDbfs < -3),
      JSON.stringify(heard[0]),
    );
  });
});
