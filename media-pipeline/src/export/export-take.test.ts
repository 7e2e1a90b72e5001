import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { LedgerFile } from "../ledger-file.ts";
import { makeTake, simulatedSigner } from "../sim/make-take.ts";
import { realMedia } from "../sim/real-media.ts";
import { verifyExport } from "../verify/verify.ts";
import { exportTake } from "./export-take.ts";

let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "xz-export-"));
});
after(() => rm(root, { recursive: true }));

interface Probed {
  streams: { width?: number; height?: number; start_time: string; nb_read_frames: string }[];
  format: { duration: string };
}

/** What ffprobe finds in a file; decodes all of it and refuses any complaint. */
async function probe(file: string): Promise<Probed> {
  const { stdout, stderr } = await promisify(execFile)("ffprobe", [
    "-v",
    "error",
    "-count_frames",
    "-show_streams",
    "-show_format",
    "-of",
    "json",
    file,
  ]);
  assert.equal(stderr, "");
  return JSON.parse(stdout) as Probed;
}

test("an export from a store: what the manifest says of each MP4 is what ffprobe finds, and it verifies", async () => {
  const take = await makeTake(join(root, "store"), {
    layout: "store",
    tracks: [
      { id: "cam-judge", kind: "video", seatId: "judge", gaps: [{ fromS: 5, toS: 8 }] },
      { id: "mic-judge", kind: "audio", seatId: "judge" },
    ],
    seconds: 24,
    pauses: [{ fromS: 15, toS: 18 }],
    media: await realMedia(24, { 2: 3 }),
  });
  const to = join(root, "export");
  const manifest = await exportTake({ from: take.files, to });
  assert.equal(verifyExport(to, { trustedKey: take.verifierKey }).ok, true);
  const [picture, sound] = manifest.tracks;
  assert.deepEqual(
    [picture?.id, picture?.kind, picture?.seat, picture?.parcels, picture?.seconds, picture?.gaps],
    ["cam-judge", "video", "judge", 18, 18, 1],
  );
  assert.deepEqual(
    picture?.files.map(({ startSeconds, seconds }) => [startSeconds, seconds]),
    [
      [0, 5],
      [8, 7],
      [18, 6],
    ],
  );
  for (const { file, startSeconds, seconds, width, height } of [...(picture?.files ?? []), ...(sound?.files ?? [])]) {
    const { streams, format } = await probe(join(to, file));
    const stream = streams[0];
    assert.ok(stream && streams.length === 1);
    assert.deepEqual([stream.width, stream.height], [width, height]);
    assert.ok(Math.abs(Number(stream.start_time) - startSeconds) < 0.04, `${file} starts at ${stream.start_time}, not ${startSeconds}`);
    assert.ok(Math.abs(Number(format.duration) - startSeconds - seconds) < 0.04, `${file} lasts ${format.duration}`);
    if (width) assert.equal(Number(stream.nb_read_frames), Math.round(seconds * 25));
  }
  assert.deepEqual(
    manifest.derived.map(({ file }) => file).sort(),
    readdirSync(join(to, "mp4"))
      .map((file) => `mp4/${file}`)
      .sort(),
  );
});

test("an export from a spool drops a torn chunk, and puts free boxes where bytes are declared lost", async () => {
  const take = await makeTake(join(root, "spool"), { tracks: [{ id: "mic", kind: "audio", lostParcels: [1, 19] }], seconds: 20 });
  rmSync(take.files.verifierKey);
  const [first, second] = [take.files.segment("mic", 0), take.files.segment("mic", 1)];
  appendFileSync(first, "half a chu");
  const bytes = readFileSync(first);
  bytes.fill(0xff, 3520, 7040);
  writeFileSync(first, bytes);
  truncateSync(second, 9 * 3520 + 17);
  const to = join(root, "spool-export");
  await exportTake({ from: take.files, to, verifierKey: take.verifierKey });
  const verified = verifyExport(to, { trustedKey: take.verifierKey });
  assert.deepEqual(verified.problems, []);
  assert.deepEqual(verified.declaredGaps, [{ track: "mic", fromSeconds: 0, toSeconds: 10, lostParcels: 2 }]);
});

test("a take that runs, is not whole here, or whose end is not signed is not exported", async () => {
  const tracks = [{ id: "mic", kind: "audio" as const }];
  const running = await makeTake(join(root, "running"), { tracks, seconds: 4, running: true });
  await assert.rejects(exportTake({ from: running.files, to: join(root, "no-1") }), {
    reason: "EXPORT_RUNNING",
    code: "FAILED_PRECONDITION",
  });
  const part = await makeTake(join(root, "part"), { tracks, seconds: 14 });
  truncateSync(part.files.segment("mic", 1), 100);
  await assert.rejects(exportTake({ from: part.files, to: join(root, "no-2") }), { reason: "EXPORT_INCOMPLETE", code: "UNAVAILABLE" });
  rmSync(part.files.segment("mic", 1));
  await assert.rejects(exportTake({ from: part.files, to: join(root, "no-3") }), { reason: "EXPORT_INCOMPLETE" });
  const signer = simulatedSigner();
  const unsigned = await makeTake(join(root, "unsigned"), { tracks, seconds: 4, running: true, signer });
  const ledger = await LedgerFile.open(unsigned.folder, unsigned.takeId, signer);
  ledger.append([{ takeUs: 4_000_000n, what: { case: "end", value: { reason: "pressed" } } }]);
  ledger.close();
  await assert.rejects(exportTake({ from: unsigned.files, to: join(root, "no-4") }), { reason: "EXPORT_UNSIGNED" });
});
