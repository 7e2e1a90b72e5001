import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { HearingReport } from "../src/headless/report.ts";
import { missingFrames, storedFrames } from "./stored-frames.ts";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const COURTROOM_1 = { video: 4, audio: 6 };

async function hold(...words: string[]): Promise<{ code: number | null; report: HearingReport }> {
  const child = spawn(process.execPath, [main, "start", ...words], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const printed = await text(child.stdout);
  const [code] = await ended;
  return { code, report: JSON.parse(printed) as HearingReport };
}

async function probe(file: string): Promise<{ codec: string; width?: number; height?: number; seconds: number; startSeconds: number }> {
  const words = ["-v", "error", "-show_entries", "stream=codec_name,width,height,duration,start_time", "-of", "json", file];
  const { stdout, stderr } = await run("ffprobe", words);
  assert.equal(stderr, "", file);
  const [stream] = JSON.parse(stdout).streams;
  return {
    codec: stream.codec_name,
    width: stream.width,
    height: stream.height,
    seconds: Number(stream.duration),
    startSeconds: Number(stream.start_time),
  };
}

test("a hearing of 8 s is whole: every track for the whole time, every frame, and it verifies", { timeout: 150_000 }, async () => {
  const { code, report } = await hold("--hearing", "8");
  assert.equal(code, 0, JSON.stringify(report, null, 1));
  assert.equal(report.ok, true);
  for (const kind of ["video", "audio"] as const)
    assert.equal(report.tracks.filter((track) => track.kind === kind).length, COURTROOM_1[kind]);
  for (const track of report.tracks) {
    assert.equal(track.gaps, 0, track.id);
    assert.equal(track.files.length, 1, track.id);
    for (const file of track.files) {
      const seen = await probe(join(report.exportDir, file.file));
      assert.equal(seen.codec, track.kind === "video" ? "h264" : "aac");
      assert.equal(seen.width, file.width);
      assert.equal(seen.height, file.height);
      assert.ok(
        Math.abs(seen.startSeconds - file.startSeconds) < 0.05,
        `${track.id} starts at ${seen.startSeconds}, not ${file.startSeconds}`,
      );
      assert.ok(file.seconds > 7.5, `${track.id} has ${file.seconds} s`);
    }
    if (track.kind !== "video") continue;
    const stamps = storedFrames(report.exportDir, track.id);
    assert.ok(stamps.length > 7.5 * 25, `${track.id} holds ${stamps.length} frames`);
    assert.equal(missingFrames(stamps), 0, track.id);
  }
  assert.ok(existsSync(join(report.exportDir, "reading-copy.m4a")));
  const { stdout } = await run(process.execPath, [main, "verify", report.exportDir, "--json"]);
  assert.equal(JSON.parse(stdout).ok, true);
  await run("ffmpeg", ["-v", "error", "-xerror", "-i", join(report.exportDir, report.tracks[0]!.files[0]!.file), "-f", "null", "-"]);
});

test("a camera that starts 5 s late stands 5 s late, and the gap is declared", { timeout: 150_000 }, async () => {
  const { code, report } = await hold("--hearing", "10", "--faults", "camera-late");
  assert.equal(code, 0, JSON.stringify(report, null, 1));
  const late = report.tracks.filter((track) => track.gaps > 0);
  assert.equal(late.length, 1);
  const [first] = storedFrames(report.exportDir, late[0]!.id);
  const startSeconds = late[0]!.files[0]!.startSeconds;
  assert.ok(startSeconds > 4.5, `${startSeconds}`);
  // What its own stamp says of the first picture, on the take's time.
  const byStamp = (first!.utcMs - Date.parse(report.startedAt)) / 1000;
  assert.ok(Math.abs(startSeconds - byStamp) <= 0.08, `stands at ${startSeconds}, was taken at ${byStamp}`);
});

test("a dead camera does not stop a hearing: the others are whole and its gap is declared", { timeout: 150_000 }, async () => {
  const { code, report } = await hold("--hearing", "4", "--faults", "camera-dead");
  assert.equal(code, 0, JSON.stringify(report, null, 1));
  const dead = report.tracks.filter((track) => track.files.length === 0);
  assert.equal(dead.length, 1);
  assert.ok(dead[0]!.gaps >= 1);
  assert.ok(
    report.steps.some((step) => !step.ok && step.reason),
    "the start said so",
  );
  assert.ok(report.tracks.filter((track) => track.files.length === 1 && track.gaps === 0).length === 9);
});
