import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { type OnvifCameraSim, startOnvifCameraSim } from "@xiezhi/drivers/drivers/onvif-camera/onvif-camera.sim.ts";
import { loadTestClip } from "@xiezhi/drivers/sim/clips.ts";
import { cameraId, demoRooms } from "../src/demo/court.ts";
import { type ProcessUse, processesOf } from "../src/demo/proc.ts";
import { demoCourt } from "./demo-court.ts";
import { startHostileCamera } from "./hostile/camera.ts";
import type { Outcome } from "./hostile/floods.ts";
import { type Thrown, thrownAtEach } from "./hostile/thrown.ts";
import { holdWhole, untilDurable } from "./whole-hearing.ts";

/** One of its cameras is the test's own: honest first, then hostile, then honest again. */
const attacked = { seat: "plaintiff", label: "原告席", clip: "court2-attacked" };
const court2 = demoRooms[1]!;
const room = { ...court2, cameras: [...court2.cameras, attacked] };
/** What a process may grow by while it records and is thrown at; one that holds a single huge message grows by half as much again. */
const GROWTH_MAX_BYTES = 128 << 20;
const LOOK_EACH_MS = 100;

function ours(run: string): ProcessUse[] {
  return processesOf(run).filter(({ name }) => !name.includes("devices.main.ts"));
}

/** Looks until it is asked, or until the test is over; answers with the most that each process of ours has used. */
function watchMemory(t: TestContext, run: string): () => Promise<Map<number, number>> {
  const most = new Map<number, number>();
  const stop = new AbortController();
  const watching = (async () => {
    while (!stop.signal.aborted) {
      for (const { pid, pssBytes } of ours(run)) most.set(pid, Math.max(pssBytes, most.get(pid) ?? 0));
      await clock.sleep(LOOK_EACH_MS, stop.signal).catch(() => undefined);
    }
  })();
  t.after(() => stop.abort());
  return async () => {
    stop.abort();
    await watching;
    return most;
  };
}

interface CameraPlace {
  onvif: number;
  rtsp: number;
  login: { username: string; password: string };
}

/** Where the room's agent looks for the attacked camera. */
function placeOf(home: string): CameraPlace {
  const { devices } = JSON.parse(readFileSync(join(home, "agents", room.id, "agent.json"), "utf8")) as {
    devices: { id: string; config: { url: string; username: string; password: string; rtspPorts: number[] } }[];
  };
  const { url, username, password, rtspPorts } = devices.find(({ id }) => id === cameraId(attacked))!.config;
  return { onvif: Number(new URL(url).port), rtsp: rtspPorts[0]!, login: { username, password } };
}

async function startHonestCamera({ onvif, rtsp, login }: CameraPlace): Promise<OnvifCameraSim> {
  const clip = await loadTestClip("picture");
  return startOnvifCameraSim({ clock, name: attacked.label, main: clip, small: clip, login, port: onvif, rtspPort: rtsp });
}

function sawLetGo(t: TestContext, whom: string, { sentBytes, letGo }: Outcome): void {
  t.diagnostic(`${whom}: ${sentBytes} bytes`);
  assert.ok(letGo, `${whom}: is still open`);
}

async function throwAtServers(t: TestContext, servers: Map<string, Thrown[]>): Promise<void> {
  const each = [...servers].map(async ([server, thrown]) => {
    for (const { name, at, hears } of thrown) {
      const outcome = await at();
      sawLetGo(t, `${server}, ${name}`, outcome);
      if (hears) assert.match(outcome.heard, hears, `${server}, ${name}`);
    }
  });
  await Promise.all(each);
}

async function throwFromCamera(t: TestContext, place: CameraPlace): Promise<void> {
  const hostile = await startHostileCamera(place);
  t.after(() => hostile.close());
  for (const { name, outcome } of await hostile.saidAll) sawLetGo(t, name, outcome);
  await hostile.close();
}

test("garbage, truncated and 100 MiB messages at each server and from a camera: refused, memory flat, no frame of the others is lost", {
  timeout: 300_000,
}, async (t) => {
  const { court, home } = await demoCourt(t, [room], { absentCamera: attacked.clip });
  const place = placeOf(home);
  let camera = await startHonestCamera(place);
  t.after(() => camera.close());
  const link = await court.signIn("clerk");
  t.after(() => link.close());
  const scene = { court, home, room, link, attacked: "cam-attacked" };
  const servers = await thrownAtEach(scene);
  await holdWhole(scene, async () => {
    await untilDurable(scene, 1_000);
    const before = ours(court.run);
    const memory = watchMemory(t, court.run);
    await camera.close();
    await Promise.all([throwAtServers(t, servers), throwFromCamera(t, place)]);
    const most = await memory();
    const grown = before.map(({ name, pid, pssBytes }) => ({ name, pssBytes, bytes: (most.get(pid) ?? 0) - pssBytes }));
    for (const { name, pssBytes, bytes } of grown) t.diagnostic(`${name}: ${pssBytes >> 20} MiB, ${bytes >> 20} more at most`);
    for (const { name, bytes } of grown) assert.ok(bytes < GROWTH_MAX_BYTES, `${name} grew by ${bytes} bytes`);
    assert.deepEqual(new Set(most.keys()), new Set(before.map(({ pid }) => pid)), "no process has ended or begun");
    camera = await startHonestCamera(place);
    await untilDurable(scene, 1_000);
  });
});
