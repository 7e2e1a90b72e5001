import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { silentLog as log } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { startTestCamera } from "@xiezhi/media/capture/testing.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { CentralCopySchema, RoomService, type StartResponse } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import { dialledDoor } from "../access/doors.ts";
import { Memory } from "../memory/memory.part.ts";
import { Recording } from "../recording/recording.part.ts";
import { Room } from "./room.part.ts";

const roomId = "courtroom-1";
const clerk = { userId: "u1", name: "李华" };
const other = { userId: "u2", name: "赵敏" };

/** A room with one camera, as the hub calls it; `reborn` is the room with what it remembers after a restart. */
async function makeRoom(t: TestContext) {
  const stateFolder = mkdtempSync(join(tmpdir(), "xz-"));
  const camera = await startTestCamera();
  const processes = new Processes(clock, log);
  const recording = new Recording({ clock, log, processes, siteId: "court-1", roomId, stateFolder, agentVersion: "test" });
  const main = { url: camera.url, rtspTrack: 0 };
  await recording.open([{ number: 1, id: "cam-judge", kind: "video", deviceId: "cam-judge", seatId: "judge", label: "", main }]);
  t.after(async () => {
    await recording.close();
    await processes.stopAll();
    await camera.close();
    rmSync(stateFolder, { recursive: true, force: true });
  });
  const reborn = async () => {
    const memory = new Memory({ clock, stateFolder });
    await memory.open(log);
    const hub = { central: () => create(CentralCopySchema), onCentral: () => () => {} };
    const room = new Room({ clock, roomId, recording, memory, ...hub });
    return clientOf(RoomService, memoryLink([room.implementation], dialledDoor(log)));
  };
  return { rooms: await reborn(), reborn };
}

/** The take that a start ends with. */
async function taken(answers: AsyncIterable<StartResponse>): Promise<string | undefined> {
  let takeId: string | undefined;
  for await (const { what } of answers) if (what.case === "started") takeId = what.value.takeId;
  return takeId;
}

test("start twice is one take: the same request hears the same, also after a restart; another one hears who and since when", async (t) => {
  const { rooms, reborn } = await makeRoom(t);
  const beganMs = clock.nowMs();
  const requestId = newId();
  const press = (actor = clerk, id = requestId, at = rooms) => taken(at.start({ requestId: id, roomId, actor }));
  const refused = (error: unknown) => {
    assert.ok(isXiezhiError(error), String(error));
    assert.deepEqual([error.code, error.reason, error.details["startedBy"]], ["FAILED_PRECONDITION", "ROOMS_RUNNING", clerk.name]);
    const sinceMs = Number(error.details["startedAtMs"]);
    assert.ok(sinceMs >= beganMs && sinceMs <= clock.nowMs(), `since ${sinceMs}`);
    return true;
  };
  const [takeId, twice] = await Promise.all([
    press(),
    press(),
    assert.rejects(press(other, newId()), refused, "another clerk at the same moment"),
    assert.rejects(press(clerk, newId()), refused, "the same clerk with another request"),
  ]);
  assert.ok(takeId);
  assert.equal(twice, takeId, "a double click");
  assert.equal(await press(), takeId, "replayed while it records");
  await assert.rejects(press(other), refused, "a request id is its user's own");
  await rooms.end({ requestId: newId(), roomId, takeId, actor: clerk });
  assert.equal(await press(), takeId, "replayed after the end");
  assert.equal(await press(clerk, requestId, await reborn()), takeId, "replayed after a restart");
});
