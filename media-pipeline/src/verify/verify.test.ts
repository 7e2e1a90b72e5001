import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { noteForFile, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { frameEntries } from "@xiezhi/ledger/entries.ts";
import { formatVerifierKey, type Signer, verifierOf } from "@xiezhi/ledger/note.ts";
import { exportTake } from "../export/export-take.ts";
import { LedgerFile, readEntries } from "../ledger-file.ts";
import { sha256 } from "../signing.ts";
import { type MadeTake, makeTake, type SimulatedTake, simulatedSigner } from "../sim/make-take.ts";
import type { ProblemKind } from "./problems.ts";
import { type Verified, verifyExport } from "./verify.ts";

const hearing: SimulatedTake = {
  tracks: [
    { id: "cam-judge", kind: "video", gaps: [{ fromS: 5, toS: 8 }] },
    { id: "cam-witness", kind: "video" },
    { id: "mic-judge", kind: "audio", lostParcels: [3, 4] },
  ],
  seconds: 43,
  title: "开庭",
  pauses: [{ fromS: 15, toS: 18 }],
  marks: [{ atS: 21.5, type: "evidence", text: "证据一" }],
};

let root: string;
let take: MadeTake;
let other: MadeTake;
let whole: string;
let otherWhole: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "xz-verify-"));
  const signer = simulatedSigner();
  const readingCopy = join(root, "mix.m4a");
  writeFileSync(readingCopy, "a mix");
  take = await makeTake(join(root, "take"), { ...hearing, signer });
  other = await makeTake(join(root, "other"), { ...hearing, signer, tracks: hearing.tracks.map((track) => ({ ...track, gaps: [] })) });
  whole = join(root, "whole");
  otherWhole = join(root, "other-whole");
  await exportTake({ from: take.files, to: whole, readingCopy });
  await exportTake({ from: other.files, to: otherWhole, readingCopy });
});

after(() => rm(root, { recursive: true }));

const segment = (track: string, number: number) => join("tracks", track, `${String(number).padStart(6, "0")}.m4s`);
const flip = (file: string, at: number, bit = 0) => {
  const bytes = readFileSync(file);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] as number) ^ (1 << bit);
  writeFileSync(file, bytes);
};
const swap = (a: string, b: string) => {
  renameSync(a, `${a}.beside`);
  renameSync(b, a);
  renameSync(`${a}.beside`, b);
};

type Mutation = [
  name: string,
  mutate: (folder: string) => void | Promise<void>,
  expected?: Partial<{ what: ProblemKind; track: string; atSeconds: number }>,
];

/** Each is done to a fresh copy and must be found; where the place can be known, it must be told. */
const mutations: Mutation[] = [
  ["first bit of a segment", (f) => flip(join(f, segment("cam-judge", 0)), 0), { what: "changed", track: "cam-judge", atSeconds: 0 }],
  [
    "last bit of a segment",
    (f) => flip(join(f, segment("cam-witness", 1)), -1, 7),
    { what: "changed", track: "cam-witness", atSeconds: 14 },
  ],
  [
    "a bit in the middle",
    (f) => flip(join(f, segment("cam-witness", 2)), 8000, 3),
    { what: "changed", track: "cam-witness", atSeconds: 20 },
  ],
  ["a bit of sound", (f) => flip(join(f, segment("mic-judge", 0)), 20), { what: "changed", track: "mic-judge", atSeconds: 0 }],
  [
    "a bit in the place of a lost parcel",
    (f) => flip(join(f, segment("mic-judge", 0)), 3520 * 3 + 100),
    { what: "changed", track: "mic-judge", atSeconds: 3 },
  ],
  [
    "a segment of zeros",
    (f) => writeFileSync(join(f, segment("mic-judge", 1)), Buffer.alloc(statSync(join(f, segment("mic-judge", 1))).size)),
    { what: "changed", track: "mic-judge", atSeconds: 10 },
  ],
  ["a header's bit", (f) => flip(join(f, "tracks/cam-judge/1.init.mp4"), 40), { what: "changed", track: "cam-judge", atSeconds: 9 }],
  [
    "two headers swapped",
    (f) => swap(join(f, "tracks/cam-judge/0.init.mp4"), join(f, "tracks/mic-judge/0.init.mp4")),
    { what: "changed", track: "cam-judge" },
  ],
  ["a header removed", (f) => rmSync(join(f, "tracks/mic-judge/0.init.mp4")), { what: "removed", track: "mic-judge" }],
  ["a header longer", (f) => appendFileSync(join(f, "tracks/mic-judge/0.init.mp4"), "x"), { what: "changed", track: "mic-judge" }],
  ["the first segment removed", (f) => rmSync(join(f, segment("cam-judge", 0))), { what: "removed", track: "cam-judge", atSeconds: 0 }],
  ["a segment removed", (f) => rmSync(join(f, segment("cam-witness", 2))), { what: "removed", track: "cam-witness", atSeconds: 18 }],
  ["the last segment removed", (f) => rmSync(join(f, segment("mic-judge", 4))), { what: "removed", track: "mic-judge", atSeconds: 38 }],
  ["a track removed", (f) => rmSync(join(f, "tracks/cam-judge"), { recursive: true }), { what: "removed", track: "cam-judge" }],
  [
    "tracks' names swapped",
    (f) => swap(join(f, "tracks/cam-judge"), join(f, "tracks/cam-witness")),
    { what: "changed", track: "cam-judge" },
  ],
  [
    "segments swapped",
    (f) => swap(join(f, segment("cam-witness", 0)), join(f, segment("cam-witness", 2))),
    { what: "reordered", track: "cam-witness", atSeconds: 0 },
  ],
  [
    "segments of two tracks swapped",
    (f) => swap(join(f, segment("cam-witness", 0)), join(f, segment("mic-judge", 0))),
    { track: "cam-witness", atSeconds: 0 },
  ],
  [
    "parcels swapped",
    (f) => moveParcel(join(f, segment("cam-witness", 0)), 2, 5),
    { what: "reordered", track: "cam-witness", atSeconds: 2 },
  ],
  [
    "a parcel taken out",
    (f) => spliceBytes(join(f, segment("cam-witness", 0)), 3 * 3520, 3520),
    { what: "removed", track: "cam-witness", atSeconds: 3 },
  ],
  [
    "a parcel doubled",
    (f) => doubleParcel(join(f, segment("cam-witness", 0)), 4),
    { what: "inserted", track: "cam-witness", atSeconds: 5 },
  ],
  [
    "bytes put in",
    (f) => spliceBytes(join(f, segment("cam-witness", 0)), 5000, 0, Buffer.from("xx")),
    { what: "inserted", track: "cam-witness", atSeconds: 1 },
  ],
  ["a byte cut off", (f) => cut(join(f, segment("mic-judge", 2)), 1), { what: "cutOff", track: "mic-judge", atSeconds: 27 }],
  ["half a segment cut off", (f) => cut(join(f, segment("mic-judge", 2)), 17600), { what: "cutOff", track: "mic-judge", atSeconds: 23 }],
  ["a segment emptied", (f) => truncateSync(join(f, segment("mic-judge", 2)), 0), { what: "cutOff", track: "mic-judge", atSeconds: 18 }],
  ["a byte added", (f) => appendFileSync(join(f, segment("mic-judge", 2)), "x"), { what: "inserted", track: "mic-judge", atSeconds: 28 }],
  [
    "a segment doubled",
    (f) => appendFileSync(join(f, segment("mic-judge", 2)), readFileSync(join(f, segment("mic-judge", 2)))),
    { what: "inserted", track: "mic-judge" },
  ],
  [
    "a segment of the other take",
    (f) => cpSync(join(otherWhole, segment("cam-judge", 1)), join(f, segment("cam-judge", 1))),
    { track: "cam-judge" },
  ],
  ["a segment too many", (f) => writeFileSync(join(f, segment("cam-judge", 9)), "x"), { what: "inserted", track: "cam-judge" }],
  [
    "a track too many",
    (f) => cpSync(join(f, "tracks/cam-judge"), join(f, "tracks/cam-x"), { recursive: true }),
    { what: "inserted", track: "cam-x" },
  ],
  ["a file too many", (f) => writeFileSync(join(f, "notes.txt"), "x"), { what: "inserted" }],
  ["the reading copy changed", (f) => flip(join(f, "reading-copy.m4a"), 2), { what: "changed" }],
  ["the reading copy removed", (f) => rmSync(join(f, "reading-copy.m4a")), { what: "removed" }],
  ["the manifest removed", (f) => rmSync(join(f, "manifest.json")), { what: "malformed" }],
  ["the other take's manifest", (f) => cpSync(join(otherWhole, "manifest.json"), join(f, "manifest.json")), { what: "spliced" }],
  ["another title in the manifest", (f) => replaceIn(join(f, "manifest.json"), "开庭", "宣判"), { what: "changed" }],
  ["another length in the manifest", (f) => replaceIn(join(f, "manifest.json"), '"seconds": 43', '"seconds": 42'), { what: "changed" }],
  ["an entry taken out", (f) => rewrite(f, (leaves) => leaves.toSpliced(20, 1))],
  ["an entry doubled", (f) => rewrite(f, (leaves) => leaves.toSpliced(20, 0, leaves[20] as Uint8Array))],
  ["two entries swapped", (f) => rewrite(f, (leaves) => leaves.with(20, leaves[21] as Uint8Array).with(21, leaves[20] as Uint8Array))],
  [
    "two entries far apart swapped",
    (f) => rewrite(f, (leaves) => leaves.with(10, leaves[90] as Uint8Array).with(90, leaves[10] as Uint8Array)),
  ],
  ["the first entry taken out", (f) => rewrite(f, (leaves) => leaves.slice(1))],
  ["the last entry taken out", (f) => rewrite(f, (leaves) => leaves.slice(0, -1)), { what: "cutOff" }],
  ["the last ten entries taken out", (f) => rewrite(f, (leaves) => leaves.slice(0, -10)), { what: "cutOff" }],
  ["an entry of the other take", (f) => rewrite(f, (leaves) => leaves.with(30, leafOf(otherWhole, 31)))],
  ["an entry added at the end", (f) => rewrite(f, (leaves) => [...leaves, leaves[8] as Uint8Array]), { what: "inserted" }],
  ["all entries reversed", (f) => rewrite(f, (leaves) => leaves.toReversed())],
  ["no entries", (f) => rewrite(f, () => []), { what: "cutOff" }],
  ["the ledger torn", (f) => cut(join(f, "ledger"), 3), { what: "cutOff" }],
  ["bytes after the ledger", (f) => appendFileSync(join(f, "ledger"), "xx"), { what: "cutOff" }],
  ["the ledger and checkpoints cut at a checkpoint", cutAtCheckpoint, { what: "cutOff" }],
  ["the other take's ledger", (f) => cpSync(join(otherWhole, "ledger"), join(f, "ledger"))],
  ["the other take's checkpoints", (f) => cpSync(join(otherWhole, "checkpoints"), join(f, "checkpoints")), { what: "spliced" }],
  [
    "ledger and checkpoints of the other take",
    (f) => ["ledger", "checkpoints"].forEach((name) => cpSync(join(otherWhole, name), join(f, name))),
    { what: "spliced" },
  ],
  ["the last checkpoint taken out", (f) => renote(f, (notes) => notes.slice(0, -1)), { what: "unsigned" }],
  ["no checkpoints", (f) => renote(f, () => []), { what: "unsigned" }],
  ["checkpoints swapped", (f) => renote(f, (notes) => notes.toReversed()), { what: "reordered" }],
  ["a checkpoint doubled", (f) => renote(f, (notes) => [...notes, notes.at(-1) as string]), { what: "inserted" }],
  ["a checkpoint of the other take put in", (f) => renote(f, (notes) => [...notes.slice(0, -1), notesOf(otherWhole).at(-1) as string])],
  ["the checkpoints removed", (f) => rmSync(join(f, "checkpoints")), { what: "unsigned" }],
  ["an MP4 changed", (f) => flip(join(f, "mp4/cam-judge-1.mp4"), -100), { what: "changed" }],
  ["an MP4 removed", (f) => rmSync(join(f, "mp4/mic-judge-0.mp4")), { what: "removed" }],
  ["checkpoints torn", (f) => cut(join(f, "checkpoints"), 5), { what: "cutOff" }],
  [
    "another number in a checkpoint",
    (f) => renote(f, (notes) => notes.map((note, at) => (at === 1 ? note.replace(/\n(\d)/, "\n1$1") : note))),
    { what: "changed" },
  ],
  ["the key removed", (f) => rmSync(join(f, "verifier-key")), { what: "malformed" }],
  ["another key", (f) => writeFileSync(join(f, "verifier-key"), `${keyLine(simulatedSigner())}\n`), { what: "resigned" }],
  ["signed anew by another key", (f) => resign(f, simulatedSigner(), (leaves) => leaves, false), { what: "resigned" }],
  ["signed anew by another key, with its key line", (f) => resign(f, simulatedSigner(), (leaves) => leaves, true), { what: "resigned" }],
  ["a mark removed and signed anew", (f) => resign(f, simulatedSigner(), (leaves) => leaves.toSpliced(1, 1), true), { what: "resigned" }],
];

for (const [name, mutate, expected] of mutations)
  test(`found: ${name}`, async () => {
    const verified = await mutated(mutate);
    assert.equal(verified.ok, false);
    assert.ok(verified.problems.length > 0);
    if (expected)
      assert.ok(
        verified.problems.some((problem) =>
          Object.entries(expected).every(([key, value]) => problem[key as keyof typeof problem] === value),
        ),
        JSON.stringify(verified.problems, null, 1),
      );
  });

test("any bit of ledger, checkpoints, key, headers and segments", async () => {
  for (const file of [
    "ledger",
    "checkpoints",
    "verifier-key",
    "tracks/mic-judge/0.init.mp4",
    segment("cam-judge", 3),
    segment("mic-judge", 0),
  ]) {
    const { size } = statSync(join(whole, file));
    for (let at = 0; at < 12; at++) {
      const place = Math.floor((size - 1) * (at / 11));
      const verified = await mutated((folder) => flip(join(folder, file), place, (at * 5) % 8));
      assert.equal(verified.ok, false, `${file} ${place}`);
    }
  }
});

test("twenty clean takes of many shapes are found clean", async () => {
  for (let at = 0; at < 20; at++) {
    const made = await makeTake(join(root, `clean-${at}`), {
      tracks: Array.from({ length: 1 + (at % 4) }, (_, track) => ({
        id: `track-${track}`,
        kind: track % 2 === 0 ? "video" : "audio",
        gaps: at % 3 === track ? [{ fromS: at % 7, toS: (at % 7) + 2 }] : [],
        lostParcels: at % 5 === 4 ? [1, 2] : [],
      })),
      seconds: 8 + at * 2,
      pauses: at % 2 === 1 ? [{ fromS: 3, toS: 3 + (at % 4) + 1 }] : [],
    });
    const folder = join(root, `clean-export-${at}`);
    await exportTake({ from: made.files, to: folder });
    const verified = verifyExport(folder, { trustedKey: made.verifierKey });
    assert.deepEqual(verified.problems, [], `take ${at}`);
    assert.equal(verified.ok, true);
    assert.equal(verifyExport(folder).ok, true);
  }
});

test("what the ledger declares missing is told apart from what was taken away", () => {
  const verified = verifyExport(whole, { trustedKey: take.verifierKey });
  assert.equal(verified.ok, true);
  assert.deepEqual(verified.declaredGaps, [
    { track: "cam-judge", fromSeconds: 5, toSeconds: 8, lostParcels: 0 },
    { track: "mic-judge", fromSeconds: 0, toSeconds: 10, lostParcels: 2 },
  ]);
});

test("time that is missing and not declared is named", async () => {
  const folder = join(root, "undeclared");
  const made = await makeTake(folder, { ...hearing, tracks: [{ id: "cam", kind: "video", gaps: [{ fromS: 20, toS: 30 }] }] });
  const leaves = [...readEntries(made.files.ledger)].filter(({ entry }) => entry.what.case !== "gap").map(({ bytes }) => bytes);
  await resign(folder, made.signer, () => leaves, false);
  await exportTake({ from: made.files, to: `${folder}-export` });
  const { problems } = verifyExport(`${folder}-export`, { trustedKey: made.verifierKey });
  assert.deepEqual(
    problems.map(({ what, track, atSeconds }) => ({ what, track, atSeconds })),
    [{ what: "undeclared", track: "cam", atSeconds: 20 }],
  );
});

async function mutated(mutate: Mutation[1]): Promise<Verified> {
  const folder = join(root, "mutated");
  rmSync(folder, { recursive: true, force: true });
  cpSync(whole, folder, { recursive: true });
  await mutate(folder);
  return verifyExport(folder, { trustedKey: take.verifierKey });
}

function rewrite(folder: string, change: (leaves: Uint8Array[]) => Uint8Array[]): void {
  const leaves = [...readEntries(join(folder, "ledger"))].map(({ bytes }) => bytes);
  writeFileSync(join(folder, "ledger"), frameEntries(change(leaves)));
}

function leafOf(folder: string, index: number): Uint8Array {
  return [...readEntries(join(folder, "ledger"))][index]?.bytes as Uint8Array;
}

function notesOf(folder: string): string[] {
  return splitNotes(readFileSync(join(folder, "checkpoints"), "utf8")).notes;
}

function renote(folder: string, change: (notes: string[]) => string[]): void {
  writeFileSync(join(folder, "checkpoints"), change(notesOf(folder)).map(noteForFile).join(""));
}

/** A consistent ledger again, with one checkpoint of this signer at its end. */
async function resign(folder: string, signer: Signer, change: (leaves: Uint8Array[]) => Uint8Array[], withKey: boolean): Promise<void> {
  const takeId = [...readEntries(join(folder, "ledger"))]
    .map(({ entry }) => entry.what.case === "takeStart" && entry.what.value.takeId)
    .find(Boolean);
  rewrite(folder, change);
  rmSync(join(folder, "checkpoints"));
  const ledger = await LedgerFile.open(folder, takeId as string, signer);
  await ledger.checkpoint();
  ledger.close();
  if (withKey) writeFileSync(join(folder, "verifier-key"), `${keyLine(signer)}\n`);
}

function cutAtCheckpoint(folder: string): void {
  renote(folder, (notes) => notes.slice(0, 2));
  const size = Number(notesOf(folder)[1]?.split("\n")[1]);
  rewrite(folder, (leaves) => leaves.slice(0, size));
}

function keyLine(signer: Signer): string {
  return formatVerifierKey(verifierOf(sha256, signer));
}

function cut(file: string, bytes: number): void {
  truncateSync(file, statSync(file).size - bytes);
}

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  assert.ok(text.includes(from));
  writeFileSync(file, text.replace(from, to));
}

function spliceBytes(file: string, at: number, remove: number, insert: Buffer = Buffer.alloc(0)): void {
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]));
}

/** Parcels of blind media have one length. */
function moveParcel(file: string, a: number, b: number): void {
  const bytes = readFileSync(file);
  const parcels: Buffer[] = Array.from({ length: bytes.length / 3520 }, (_, at) => bytes.subarray(at * 3520, at * 3520 + 3520));
  const [one, two] = [parcels[a] as Buffer, parcels[b] as Buffer];
  parcels[a] = two;
  parcels[b] = one;
  writeFileSync(file, Buffer.concat(parcels));
}

function doubleParcel(file: string, at: number): void {
  const parcel = readFileSync(file).subarray(at * 3520, at * 3520 + 3520);
  spliceBytes(file, at * 3520, 0, parcel);
}
