import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { journalLines } from "../../spool/journal.ts";
import { takeFolder } from "../../spool/take-folder.ts";
import type { AccessUnit, SoundFormat } from "../unit.ts";
import { JournalWriter } from "./journal-writer.ts";
import { spoolFiles } from "./spool-files.ts";
import { TrackRecorder } from "./track-recorder.ts";

const T0_US = 5e6;
const FRAME_US = (1024 * 1e6) / 48_000;
const format: SoundFormat = {
  kind: "audio",
  codec: "mp4a.40.2",
  sampleRate: 48_000,
  channels: 1,
  config: Buffer.from("1188", "hex"),
  frameSamples: 1024,
  sourceRate: 48_000,
};

function frame(timeUs: number): AccessUnit {
  const facts = { key: true, damaged: false, lostPackets: 0, discontinuity: false };
  return { format, timeUs, sourceTicks: 0, arrivedUs: timeUs + 1_000, ...facts, data: Buffer.alloc(200, 7) };
}

test("sound that comes before tick 0 is left out, and nothing speaks of a stretch that has not begun", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "xz-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const journal = new JournalWriter(spoolFiles, folder, "w1");
  const recorder = new TrackRecorder({
    files: spoolFiles,
    journal,
    folder,
    t0Us: T0_US,
    track: { id: "mic", number: 2, kind: "audio" },
    position: { stretch: 0, segment: 0, sequence: 0, endTicks: 0 },
    missing: [],
    utcUs: (monoUs) => monoUs,
    lastReport: () => undefined,
    onTrouble: () => assert.fail("the disk takes all"),
  });
  for (let at = -2; at < 20; at++) recorder.push(frame(T0_US + at * FRAME_US));
  recorder.pause(T0_US + 20 * FRAME_US);
  journal.close();
  const lines = [...journalLines(takeFolder.journal(folder, "w1"))];
  assert.deepEqual(
    lines.map((line) => Object.keys(line)[0]),
    ["stretch", "parcel"],
  );
  const [, parcel] = lines;
  assert.ok(parcel && "parcel" in parcel);
  assert.equal(parcel.parcel.durationTicks, 20 * 1024);
});
