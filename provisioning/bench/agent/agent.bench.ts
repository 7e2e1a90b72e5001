/**
 * P2b and the whole agent's CPU: agent main, capture workers, codec worker and the room's broker while a hearing is recorded, with
 * uplink to a hub, supervision of every device, six microphones of which four are encoded here, and a page that looks on at their
 * levels; beside one `ffmpeg -c copy` a camera, which does none of that. --cameras N. Printed only.
 */
import { newId } from "@xiezhi/base/ids.ts";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { clientOf } from "@xiezhi/rpc/client.ts";
import { processesOf } from "../../src/demo/proc.ts";
import { inTurn, measure, together, type Use, withCameras } from "../capture/recording-cost.ts";
import { inCourt, lookAtDesk, press, room } from "../court/bench-court.ts";
import { median, print, rounded } from "../figure.ts";
import { cameras } from "../options.ts";

const programs = {
  main: "edge-agent/src/main.ts",
  workers: "capture/worker.main.ts",
  codec: "codec/codec.main.ts",
  broker: "broker/broker.main.ts",
};
const parts = Object.keys(programs) as Part[];
const roomCameras = Array.from({ length: cameras }, (_, at) => ({ seat: room.seats[0]?.id ?? "", label: `${at}`, clip: `bench-${at}` }));

type Part = keyof typeof programs;
type AgentUse = Use & { parts: Record<Part, Use> };

function measureAgent(): Promise<AgentUse> {
  return inCourt(async (court, clerk) => {
    const desk = lookAtDesk(clerk);
    await desk.untilWarm();
    const { takeId } = await press(clerk);
    const running = processesOf(court.run).flatMap(({ name, pid }) => {
      const part = parts.find((it) => name.includes(programs[it]));
      return part === undefined ? [] : [{ part, pid }];
    });
    const uses = await measure(running.map(({ pid }) => pid));
    await clientOf(RoomService, clerk).end({ requestId: newId(), roomId: room.id, takeId });
    desk.stop();
    const of = (part: Part) => together(uses.filter((_, at) => running[at]?.part === part));
    return { ...together(uses), parts: { main: of("main"), workers: of("workers"), codec: of("codec"), broker: of("broker") } };
  }, roomCameras);
}

await withCameras(async (urls, note) => {
  const { ours, cpu, memory } = await inTurn(urls, measureAgent);
  const name = (what: string) => `${what} at ${cameras} cameras and 6 microphones`;
  const each = (of: (use: Use) => number) =>
    parts.map((part) => `${part} ${rounded(median(ours.map((use) => of(use.parts[part]))))}`).join(", ");
  print({
    name: name("P2b whole agent's memory"),
    ...memory,
    unit: "MB Pss in all",
    note: `${each((use) => use.pssBytes / 1e6)}; ${note}`,
  });
  print({
    name: name("P1 whole agent's CPU"),
    ...cpu,
    unit: "% of a core a camera",
    note: `${each((use) => use.cpuPart * 100)}; ${note}`,
  });
});
