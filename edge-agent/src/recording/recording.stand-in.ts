import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { silentLog as log } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import type { RoomTrack, StartTake } from "./recording.model.ts";
import { Recording } from "./recording.part.ts";

// For tests: as much of an agent as can be killed while it records. Tells on stdout when its take runs.

interface StandIn {
  stateFolder: string;
  tracks: RoomTrack[];
  start: Omit<StartTake, "pressedUs">;
}

const { stateFolder, tracks, start } = JSON.parse(process.argv[2] ?? "{}") as StandIn;
const processes = new Processes(clock, log);
const recording = new Recording({ clock, log, processes, siteId: "court-1", roomId: "courtroom-1", stateFolder, agentVersion: "test" });
await recording.open(tracks);
await recording.start({ ...start, pressedUs: clock.monoUs() }, () => {});
process.stdout.write("recording\n");
