/** The demo's hub and courtroom 1 for a bench, and what a clerk does there. */
import { mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { isTransient } from "@xiezhi/protos/errors.ts";
import { Availability, DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { type Desk, RoomPhase, RoomService, SourceState } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import { type DemoRoom, demoRooms } from "../../src/demo/court.ts";
import { homeFolder } from "../../src/demo/home.ts";
import { RunningCourt } from "../../src/demo/running-court.ts";
import { inFolder } from "../machine.ts";

const WITHIN_MS = 60_000;
const LOOK_EACH_MS = 50;
const [courtroom] = demoRooms;
if (!courtroom) throw new Error("the demo has no room");
export const room = courtroom;

/** A court of its own while `act` goes on: courtroom 1 with its devices, or with these cameras instead of its own. */
export function inCourt<T>(act: (court: RunningCourt, clerk: Link) => Promise<T>, cameras: DemoRoom["cameras"] = room.cameras): Promise<T> {
  return inFolder(async (home) => {
    const log = createLog("bench", { file: join(home, "bench.log") });
    const clips = join(home, "clips");
    await linkClips(clips, cameras);
    const court = await RunningCourt.start({ home, clips, rooms: [{ ...room, cameras }], log });
    try {
      const clerk = await court.signIn("clerk");
      const result = await act(court, clerk);
      clerk.close();
      return result;
    } finally {
      await court.close();
    }
  });
}

/** The demo's clips, and under the name of each camera that has none the pictures of one of courtroom 1's. */
async function linkClips(folder: string, cameras: DemoRoom["cameras"]): Promise<void> {
  const from = join(homeFolder(), "clips");
  const names = await readdir(from);
  await mkdir(folder);
  for (const name of names) await symlink(join(from, name), join(folder, name));
  for (const [at, { clip }] of cameras.entries()) {
    const like = `${room.cameras[at % room.cameras.length]?.clip}-`;
    if (names.some((name) => name.startsWith(`${clip}-`))) continue;
    for (const name of names.filter((it) => it.startsWith(like)))
      await symlink(join(from, name), join(folder, name.replace(like, `${clip}-`)));
  }
}

/** Presses the button. Resolves when the room says that the first parcel is durable: ms since the press. */
export async function press(clerk: Link): Promise<{ ms: number; takeId: string }> {
  const pressedUs = clock.monoUs();
  let firstUs: number | undefined;
  for await (const { what } of clientOf(RoomService, clerk).start({ requestId: newId(), roomId: room.id, title: "bench" })) {
    if (what.case === "step" && what.value.step === "first-parcel" && what.value.ok) firstUs ??= clock.monoUs();
    if (what.case === "started" && firstUs !== undefined) return { ms: (firstUs - pressedUs) / 1e3, takeId: what.value.takeId };
  }
  throw new Error("a start ended without a parcel");
}

/** Looks at the Desk as a page does, which keeps the room warm, until `stop` is called. */
export function lookAtDesk(clerk: Link): { untilWarm(): Promise<Desk>; stop(): void } {
  const ended = new AbortController();
  let last: Desk | undefined;
  const looking = (async () => {
    while (!ended.signal.aborted) {
      try {
        const desks = clientOf(RoomService, clerk).watchDesk({ roomId: room.id }, { signal: ended.signal });
        for await (const { what } of desks) if (what.case === "desk") last = what.value;
      } catch (error) {
        if (!ended.signal.aborted && !isTransient(error)) throw error;
      }
      last = undefined;
    }
  })();
  const isWarm = () => last?.phase === RoomPhase.WARM && last.tracks.every(({ source }) => source === SourceState.RUNNING);
  return {
    async untilWarm() {
      await Promise.race([until("the room is warm", isWarm), looking]);
      if (!last) throw new Error("the Desk is not looked at any more");
      return last;
    },
    stop: () => ended.abort(),
  };
}

/** Every device of the room has answered since then, UTC ms. Asking the hub keeps no room warm. */
export async function untilProven(clerk: Link, sinceMs: number): Promise<void> {
  const count = room.cameras.length + room.encoders.length;
  await until("every device has answered", async () => {
    const { devices } = await clientOf(DevicesService, clerk).listDevices({ roomId: room.id });
    const proven = devices.filter(({ state }) => state?.availability === Availability.AVAILABLE && Number(state.provenAtMs) > sinceMs);
    return proven.length === count;
  });
}

export async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  for (const endUs = clock.monoUs() + WITHIN_MS * 1e3; clock.monoUs() < endUs; await clock.sleep(LOOK_EACH_MS)) if (await look()) return;
  throw new Error(`${what}: not within ${WITHIN_MS / 1e3} s`);
}
