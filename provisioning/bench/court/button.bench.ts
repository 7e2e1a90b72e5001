/**
 * From the clerk's press of the button to the first durable parcel, as the clerk's end of the line is told it: relay, room, spool,
 * workers, sync, ledger. Warm: the Desk is open and every source runs. Cold: the agent has just begun, its devices have
 * answered, nobody looks. --pairs N: that many presses of both. With --control the agent stands still for 2 s after each warm
 * press; the hub gives a press up that the room hasn't confirmed in time, so there is none for the cold ones.
 */
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import type { RunningCourt } from "../../src/demo/running-court.ts";
import { p95, print } from "../figure.ts";
import { foreignLoad } from "../machine.ts";
import { control, pairsOr } from "../options.ts";
import { inCourt, lookAtDesk, press, room, until, untilProven } from "./bench-court.ts";

const presses = pairsOr({ short: 6, long: 20 });
const HELD_UP_MS = 2_000;
const agentName = `agent-${room.id}`;

async function pressAndEnd(court: RunningCourt, clerk: Link): Promise<number> {
  if (control) holdUp(court.pid(agentName) ?? Number.NaN);
  const { ms, takeId } = await press(clerk);
  await clientOf(RoomService, clerk).end({ requestId: newId(), roomId: room.id, takeId });
  return ms;
}

function holdUp(pid: number): void {
  process.kill(pid, "SIGSTOP");
  clock.after(HELD_UP_MS, () => process.kill(pid, "SIGCONT"));
}

async function coldPresses(court: RunningCourt, clerk: Link): Promise<number[]> {
  const all: number[] = [];
  let beganMs = 0;
  for (let at = 0; at < presses; at++) {
    await untilProven(clerk, beganMs);
    all.push(await pressAndEnd(court, clerk));
    const pid = court.pid(agentName);
    beganMs = clock.nowMs();
    process.kill(pid ?? Number.NaN, "SIGTERM");
    await until("the agent runs again", () => ![undefined, pid].includes(court.pid(agentName)));
  }
  await untilProven(clerk, beganMs);
  return all;
}

async function warmPresses(court: RunningCourt, clerk: Link): Promise<number[]> {
  const desk = lookAtDesk(clerk);
  const all: number[] = [];
  for (let at = 0; at < presses; at++) {
    await desk.untilWarm();
    all.push(await pressAndEnd(court, clerk));
  }
  desk.stop();
  return all;
}

const foreign = await foreignLoad(clock);
await inCourt(async (court, clerk) => {
  const note = `p95 of ${presses} presses; others used ${Math.round(foreign * 100)} % of the machine before it`;
  const name = (how: string) => `button to first durable parcel, ${how}`;
  if (!control) print({ name: name("cold"), ...p95(await coldPresses(court, clerk)), unit: "ms", bar: { atMost: 5_000 }, note });
  const warm = name(control ? "warm, control: the agent held up" : "warm");
  print({ name: warm, ...p95(await warmPresses(court, clerk)), unit: "ms", bar: { atMost: 1_200 }, note });
});
