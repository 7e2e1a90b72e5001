/** Simulated cameras, 1080p at 25 pictures a second with one AAC track each: `cameras.main.ts COUNT CLIPS`. Says their addresses. */
import { systemClock as clock } from "@xiezhi/base/clock.ts";
import { loadClip } from "@xiezhi/drivers/sim/clips.ts";
import { LoopedStream } from "@xiezhi/drivers/sim/looped-stream.ts";
import { serveLoops } from "@xiezhi/drivers/sim/serve-loops.ts";

/** Cameras do not take their pictures at the same instants. */
const APART_MS = 7;
const PICTURES = ["court1-judge", "court1-plaintiff", "court1-defendant", "court1-panorama", "court2-judge", "court2-panorama"];
const SOUNDS = ["court1-judge", "court1-clerk", "court1-witness", "court1-public", "court2-judge", "court2-clerk"];

const [count = "", clips = ""] = process.argv.slice(2);
const streams = new Map<string, LoopedStream>();
for (let number = 0; number < Number(count); number++) {
  const picture = await loadClip(clips, `${PICTURES[number % PICTURES.length]}-main`);
  const sound = await loadClip(clips, `${SOUNDS[number % SOUNDS.length]}-aac`);
  streams.set(`/camera${number}`, new LoopedStream([picture, sound], { clock }));
  await clock.sleep(APART_MS);
}
const server = await serveLoops(streams, clock);
process.send?.([...streams.keys()].map((path) => `rtsp://127.0.0.1:${server.port}${path}`));
process.on("disconnect", () => process.exit());
