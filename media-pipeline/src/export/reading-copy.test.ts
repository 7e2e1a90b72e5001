import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { makeTake } from "../sim/make-take.ts";
import { realMedia } from "../sim/real-media.ts";
import type { ReadingCopyAnswer, ReadingCopyOrder } from "./reading-copy.main.ts";
import { makeReadingCopy } from "./reading-copy.ts";

let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "xz-copy-"));
});
after(() => rm(root, { recursive: true }));

/** Where ffmpeg hears something: [from, to] in seconds. */
async function heard(file: string): Promise<[number, number][]> {
  const { stderr } = await promisify(execFile)("ffmpeg", [
    "-nostdin",
    "-i",
    file,
    "-af",
    "silencedetect=noise=-40dB:d=0.3",
    "-f",
    "null",
    "-",
  ]);
  const starts = [...stderr.matchAll(/silence_start: ([0-9.]+)/g)].map((found) => Number(found[1]));
  const ends = [...stderr.matchAll(/silence_end: ([0-9.]+)/g)].map((found) => Number(found[1]));
  return ends.slice(0, -1).map((end, at) => [end, starts[at + 1] as number]);
}

test("each microphone is heard at its take time: late, after a gap, after a pause of all, beside lost parcels", async () => {
  const take = await makeTake(join(root, "take"), {
    tracks: [
      { id: "cam", kind: "video" },
      { id: "mic-a", kind: "audio", gaps: [{ fromS: 0, toS: 3 }] },
      { id: "mic-b", kind: "audio", gaps: [{ fromS: 8, toS: 14 }], lostParcels: [1, 2] },
      { id: "mic-away", kind: "audio", gaps: [{ fromS: 0, toS: 30 }] },
    ],
    seconds: 30,
    pauses: [{ fromS: 16, toS: 22 }],
    media: await realMedia(30, { 2: 5, 3: 24, 4: 1 }),
  });
  const made = await makeReadingCopy(take.files, join(root, "copy.m4a"));
  assert.equal(made.tracks, 2);
  const spans = await heard(join(root, "copy.m4a"));
  assert.equal(spans.length, 2, JSON.stringify(spans));
  for (const [at, wanted] of [5, 24].entries()) {
    assert.ok(Math.abs((spans[at]?.[0] ?? 0) - wanted) < 0.06, JSON.stringify(spans));
    assert.ok(Math.abs((spans[at]?.[1] ?? 0) - wanted - 1) < 0.06, JSON.stringify(spans));
  }
});

test("what was not there is counted; what can't be read is no silence", async () => {
  const take = await makeTake(join(root, "part"), {
    tracks: [{ id: "mic", kind: "audio" }],
    seconds: 35,
    media: await realMedia(35, { 1: 1 }),
  });
  rmSync(take.files.segment("mic", 1));
  assert.equal((await makeReadingCopy(take.files, join(root, "part.m4a"))).missingSegments, 1);
  mkdirSync(take.files.segment("mic", 1));
  await assert.rejects(makeReadingCopy(take.files, join(root, "unread.m4a")), { reason: "READING_COPY_FAILED" });
  assert.equal(existsSync(join(root, "unread.m4a")), false);
});

test("the program answers in JSON, and leaves nothing behind when it fails", async () => {
  const store = join(root, "store");
  await makeTake(store, { layout: "store", tracks: [{ id: "mic", kind: "audio" }], seconds: 3, media: await realMedia(3, { 1: 1 }) });
  const answer = await ordered({ folder: store, layout: "store", to: join(root, "by-program.m4a") });
  assert.deepEqual([answer.ok, answer.ok && answer.tracks, existsSync(join(root, "by-program.m4a"))], [true, 1, true]);
  writeFileSync(join(store, "mic", "0.init.mp4"), "no header");
  const failed = await ordered({ folder: store, layout: "store", to: join(root, "none.m4a") });
  assert.deepEqual([failed.ok, !failed.ok && failed.reason], [false, "READING_COPY_FAILED"]);
  assert.deepEqual([existsSync(join(root, "none.m4a")), existsSync(join(root, "none.m4a.new"))], [false, false]);
  await makeTake(join(root, "silent"), { tracks: [{ id: "cam", kind: "video" }], seconds: 3 });
  const silent = await ordered({ folder: join(root, "silent"), layout: "spool", to: join(root, "none.m4a") });
  assert.equal(!silent.ok && silent.reason, "READING_COPY_SILENT");
});

async function ordered(order: ReadingCopyOrder): Promise<ReadingCopyAnswer> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "reading-copy.main.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(order));
  return JSON.parse(await text(child.stdout)) as ReadingCopyAnswer;
}
