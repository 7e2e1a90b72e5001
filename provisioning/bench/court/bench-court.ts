/** The demo's hub and courtroom 1 for a bench, and what a clerk does there. */
import { join } from "node:path";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { isTransient } from "@xiezhi/protos/errors.ts";
import { Availability, DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { type Desk, RoomPhase, RoomService, SourceState } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import { demoRooms } from "../../src/demo/court.ts";
import { homeFolder } from "../../src/demo/home.ts";
import { RunningCourt } from "../../src/demo/running-court.ts";
import { inFolder } from "../machine.ts";

const WITHIN_MS = 60_000;
const LOOK_EACH_MS = 50;
const [courtroom] = demoRooms;
if (!courtroom) throw new Error("the demo has no room");
export const room = courtroom;

/** A court of its own while `act` goes on. */
export function inCourt(act: (court: RunningCourt, clerk: Link) => Promise<void>): Promise<void> {
  return inFolder(async (home) => {
    const log = createLog("bench", { file: join(home, "bench.log") });
    const court = await RunningCourt.start({ home, clips: join(homeFolder(), "clips"), rooms: [room], log });
    try {
      const clerk = await court.signIn("clerk");
      await act(court, clerk);
      clerk.close();
    } finally {
      await court.close();
    }
  });
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
export function lookAtDesk(clerk: Link): { untilWarm(): Promise<void>; stop(): void } {
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
    untilWarm: () => Promise.race([until("the room is warm", isWarm), looking.then(() => undefined)]),
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
