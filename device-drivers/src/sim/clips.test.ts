import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clip, loadClip, loadTestClip, pairChannels } from "./clips.ts";

test("the test picture begins with a key frame, has one each second and says its parameter sets", async () => {
  const clip = await loadTestClip("picture");
  assert.equal(clip.frames.length, 50);
  assert.deepEqual(
    clip.frames.flatMap((frame, at) => (frame.key ? [at] : [])),
    [0, 25],
  );
  const typesOf = (at: number) => clip.frames[at]?.parts.map((nal) => (nal[0] ?? 0) & 0x1f);
  assert.deepEqual(typesOf(0), [9, 7, 8, 5]);
  assert.deepEqual(typesOf(1), [9, 1]);
  const [, sps] = clip.frames[0]?.parts ?? [];
  assert.ok(clip.fmtp.includes(sps?.toString("base64") ?? "-"));
});

test("each sound of the tests loops in whole frames and all last equally long", async () => {
  const clips = await Promise.all((["aac", "pcma", "pcmu"] as const).map(loadTestClip));
  for (const clip of clips) assert.equal((clip.frames.length * clip.frameTicks) / clip.clockRate, 1.92, clip.name);
  for (const clip of clips) assert.ok(clip.frames.every(({ parts }) => parts.length === 1 && (parts[0]?.length ?? 0) > 0));
});

test("a clip is read once for all who ask", async () => {
  assert.equal(await loadTestClip("aac"), await loadTestClip("aac"));
});

test("a missing clip names the command that makes it", async () => {
  await assert.rejects(loadClip("/nowhere", "court1-judge-main"), /provisioning\/bin\/setup/);
});

test("two microphones become the channels of one stream, left first", () => {
  const mono = (name: string, samples: number[]): Clip => {
    const part = Buffer.alloc(samples.length * 2);
    samples.forEach((sample, at) => part.writeInt16BE(sample, at * 2));
    const facts = { kind: "audio", encoding: "L16", clockRate: 48_000, channels: 1, frameTicks: samples.length, fmtp: "" } as const;
    return { ...facts, name, frames: [{ key: true, parts: [part] }] };
  };
  const both = pairChannels(mono("left", [1, 2]), mono("right", [-1, -2]));
  const [bytes = Buffer.alloc(0)] = both.frames[0]?.parts ?? [];
  assert.equal(both.channels, 2);
  assert.deepEqual(
    [0, 2, 4, 6].map((at) => bytes.readInt16BE(at)),
    [1, -1, 2, -2],
  );
  assert.throws(() => pairChannels(mono("left", [1, 2]), mono("right", [1])), /length/);
});
