import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { TakeModel } from "@xiezhi/ledger/model.ts";
import { MANIFEST, type Manifest, manifestFacts } from "../export/manifest.ts";
import { digestOfFile } from "../file-digest.ts";
import { takeFilesIn } from "../take-files.ts";
import type { Problems } from "./problems.ts";

const MANIFEST_MAX_BYTES = 64 * 1024 * 1024;

/** Whether an export holds what the ledger and the manifest name and nothing else, and whether the manifest agrees with the ledger. */
export function checkFolder(folder: string, model: TakeModel, problems: Problems): void {
  const manifest = readManifest(folder, problems);
  const named = namesIn(folder, model);
  if (manifest) {
    compareFacts(manifest, model, problems);
    for (const derived of manifest.derived) {
      named.add(derived.file);
      checkDerived(folder, derived, problems);
    }
  }
  for (const file of filesBelow(folder))
    if (!named.has(file))
      problems.add("inserted", trackOf(file), `${file} 不在账本或清单中`, `${file} is named neither by ledger nor by manifest`);
}

function readManifest(folder: string, problems: Problems): Manifest | undefined {
  try {
    const file = join(folder, MANIFEST);
    if (statSync(file).size > MANIFEST_MAX_BYTES) throw new RangeError("too long");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
    const well = manifest.format === "xiezhi-export/1" && Array.isArray(manifest.derived) && manifest.derived.every(isDerived);
    if (well) return manifest;
  } catch {
    // Missing or no JSON: said below.
  }
  problems.add("malformed", {}, "清单缺失或无法识别", "the manifest is missing or is none");
  return undefined;
}

function isDerived(entry: unknown): boolean {
  const { file, bytes, sha256 } = (entry ?? {}) as Partial<Manifest["derived"][number]>;
  const plain = typeof file === "string" && !file.startsWith("/") && !file.split("/").includes("..");
  return plain && typeof bytes === "number" && typeof sha256 === "string";
}

function compareFacts(manifest: Manifest, model: TakeModel, problems: Problems): void {
  for (const [name, value] of Object.entries(manifestFacts(model)))
    if (JSON.stringify(manifest[name as keyof Manifest]) !== JSON.stringify(value))
      problems.add(
        name === "takeId" ? "spliced" : "changed",
        {},
        `清单中的 ${name} 与账本不符`,
        `${name} in the manifest is not what the ledger says`,
      );
}

function checkDerived(folder: string, derived: Manifest["derived"][number], problems: Problems): void {
  const found = digestOf(join(folder, derived.file));
  if (!found) problems.add("removed", trackOf(derived.file), `缺少 ${derived.file}`, `${derived.file} is missing`);
  else if (found.bytes !== derived.bytes || found.sha256 !== derived.sha256)
    problems.add("changed", trackOf(derived.file), `${derived.file} 与清单不符`, `${derived.file} is not what the manifest names`);
}

/** Paths that ledger and format name, relative to the folder. */
function namesIn(folder: string, model: TakeModel): Set<string> {
  const files = takeFilesIn(folder);
  const names = new Set([MANIFEST, ...[files.ledger, files.checkpoints, files.verifierKey].map((file) => relative(folder, file))]);
  for (const track of model.tracks) {
    if (!isPlain(() => files.header(track.id, 0))) continue;
    for (const { stretch } of track.stretches) names.add(relative(folder, files.header(track.id, stretch)));
    for (const { segment } of track.segments) names.add(relative(folder, files.segment(track.id, segment)));
  }
  return names;
}

function isPlain(name: () => string): boolean {
  try {
    name();
    return true;
  } catch {
    return false;
  }
}

function* filesBelow(folder: string, below = ""): Generator<string> {
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) yield* filesBelow(folder, path);
    else yield path;
  }
}

function trackOf(file: string): { track?: string } {
  const [top, track] = file.split("/");
  return top === "tracks" && track !== undefined ? { track } : {};
}

function digestOf(file: string): { bytes: number; sha256: string } | undefined {
  try {
    return digestOfFile(file);
  } catch {
    return undefined;
  }
}
