import { statSync } from "node:fs";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import { type Checkpoint, originOf } from "@xiezhi/ledger/checkpoint.ts";
import { FRAME_HEAD_BYTES } from "@xiezhi/ledger/entries.ts";
import { type TakeModel, TakeModelBuilder } from "@xiezhi/ledger/model.ts";
import { Tree } from "@xiezhi/ledger/tree.ts";
import { readEntries } from "../ledger-file.ts";
import { sha256 } from "../signing.ts";
import { type TakeFiles, takeFilesIn } from "../take-files.ts";
import { checkFolder } from "./export-folder.ts";
import { findHoles } from "./holes.ts";
import { Order } from "./order.ts";
import { type Problem, Problems } from "./problems.ts";
import { chooseKey, signedHeads } from "./signatures.ts";
import { StoredBytes, type Stranger } from "./stored-bytes.ts";

export interface Verified {
  ok: boolean;
  takeId: string;
  /** Name of the key that the signatures were checked with. */
  signedBy: string;
  entries: number;
  checkpoints: number;
  /** Of parcels that hold what was entered. */
  bytes: number;
  problems: Problem[];
  /** More problems than are listed. */
  problemsLeftOut: number;
  /** Time without picture or sound that the ledger itself declares; no fault of the copy. */
  declaredGaps: { track: string; fromSeconds: number; toSeconds: number; lostParcels: number }[];
  /** What this check can't say. */
  notExamined: { zh: string; en: string }[];
}

export interface VerifyOptions {
  /** A verifier key line from elsewhere than the folder. Without it only the folder's own key can be used. */
  trustedKey?: string;
}

/**
 * Examines an export with nothing but its files and the room's public key (FORMAT.md, verifying): order, completeness, bytes.
 * Throws only when there is no readable ledger at all. Memory stays flat; speed is that of SHA-256.
 */
export function verifyExport(folder: string, options: VerifyOptions = {}): Verified {
  const problems = new Problems();
  const { model, verified } = verify(takeFilesIn(folder), options, problems);
  checkFolder(folder, model, problems);
  const list = problems.list.sort((a, b) => (a.atSeconds ?? 0) - (b.atSeconds ?? 0));
  return { ok: problems.count === 0, ...verified, problems: list, problemsLeftOut: problems.count - list.length };
}

type Unfinished = Omit<Verified, "ok" | "problems" | "problemsLeftOut">;

function verify(files: TakeFiles, options: VerifyOptions, problems: Problems): { model: TakeModel; verified: Unfinished } {
  const verifier = chooseKey(files, options.trustedKey, problems);
  const heads = verifier ? signedHeads(files, verifier, problems) : [];
  const model = checkLedger(files.ledger, heads, problems);
  checkNames(model, heads, verifier?.name, problems);
  findHoles(model, problems);
  const bytes = checkBytes(files, model, problems);
  const notExamined = [
    {
      zh: "MP4 与试听音频是否由这些分段制成：只与未签名的清单核对",
      en: "whether MP4s and reading copy were made from these segments: they are compared with the unsigned manifest only",
    },
    {
      zh: "画面与声音的内容，以及设备时钟是否准确",
      en: "what picture and sound show, and whether the room's clock was right",
    },
  ];
  if (options.trustedKey === undefined)
    notExamined.unshift({
      zh: "公钥来自该文件夹本身：请与法院另行公布的公钥核对（--key）",
      en: "the key came from this folder: compare it with the one that the court publishes elsewhere (--key)",
    });
  const verified = {
    takeId: model.start?.takeId ?? "",
    signedBy: verifier?.name ?? "",
    entries: model.size,
    checkpoints: heads.length,
    bytes,
    declaredGaps: declaredGaps(model),
    notExamined,
  };
  return { model, verified };
}

/** One pass over the ledger: form, order, and the root at each signed size. */
function checkLedger(file: string, heads: readonly Checkpoint[], problems: Problems): TakeModel {
  const builder = new TakeModelBuilder();
  const order = new Order(problems);
  const tree = new Tree(sha256);
  const roots = new Map(heads.map(({ size, root }) => [size, root]));
  let end = 0;
  let good = { size: 0, atSeconds: 0 };
  let broken = false;
  try {
    for (const stored of readEntries(file)) {
      end = stored.offset + FRAME_HEAD_BYTES + stored.bytes.length;
      tree.append(stored.bytes);
      order.add(stored);
      builder.add(stored.entry);
      const root = roots.get(tree.size);
      if (!root || broken) continue;
      broken = !sameBytes(root, tree.root());
      if (!broken) good = { size: tree.size, atSeconds: Number(stored.entry.takeUs) / 1e6 };
      else
        problems.add(
          "changed",
          { atSeconds: good.atSeconds },
          `第 ${good.size} 至 ${tree.size - 1} 条之间的账本条目与签名不符`,
          `entries ${good.size} to ${tree.size - 1} are not those that were signed`,
        );
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.add(
      "malformed",
      { atSeconds: good.atSeconds },
      `第 ${tree.size} 条起账本无法读取`,
      `from entry ${tree.size} on: ${error.message}`,
    );
  }
  if (end < statSync(file).size) problems.add("cutOff", {}, "账本文件末尾不是完整条目", "the ledger does not end with a whole entry");
  order.finish();
  checkSize(tree.size, heads.at(-1)?.size ?? 0, builder.model.lengthUs / 1e6, problems);
  return builder.model;
}

function checkSize(size: number, signed: number, atSeconds: number, problems: Problems): void {
  if (size < signed)
    problems.add("cutOff", { atSeconds }, `已签名 ${signed} 条，只剩 ${size} 条`, `${size} of ${signed} signed entries are left`);
  else if (size > signed)
    problems.add("unsigned", { atSeconds }, `第 ${signed} 条起没有签名`, `no signature covers the entries from ${signed} on`);
}

/** Checkpoints, key and ledger speak of one take. */
function checkNames(model: TakeModel, heads: readonly Checkpoint[], keyName: string | undefined, problems: Problems): void {
  const { start } = model;
  if (!start || keyName === undefined) return;
  const origin = originOf(keyName, start.takeId);
  const other = heads.find((head) => head.origin !== origin);
  if (other) problems.add("spliced", {}, `检查点属于另一录制：${other.origin}`, `a checkpoint is of another take: ${other.origin}`);
  if (keyName !== `xiezhi/${start.siteId}/${start.roomId}`)
    problems.add("spliced", {}, `公钥属于另一法庭：${keyName}`, `the key is another room's: ${keyName}`);
}

/** A second pass over the ledger, with the files; needs to know beforehand which parcels are declared lost. */
function checkBytes(files: TakeFiles, model: TakeModel, problems: Problems): number {
  const stored = new StoredBytes(files, model, problems);
  forEachEntry(files.ledger, (entry) => stored.add(entry));
  stored.finish();
  if (stored.strangers.length > 0) nameStrangers(files.ledger, stored.strangers, model, problems);
  return stored.bytes;
}

/** Tells parcels that changed places from changed bytes. */
function nameStrangers(file: string, strangers: readonly Stranger[], model: TakeModel, problems: Problems): void {
  const wanted = new Map(strangers.map((stranger) => [key(stranger.digest), ""]));
  forEachEntry(file, ({ what }) => {
    if (what.case !== "parcel" || wanted.get(key(what.value.digest)) !== "") return;
    const track = model.tracks.find(({ number }) => number === what.value.track);
    wanted.set(key(what.value.digest), `${track?.id} ${what.value.sequence}`);
  });
  for (const { track, atSeconds, zh, en, digest } of strangers) {
    const really = wanted.get(key(digest));
    if (really)
      problems.add("reordered", { track, atSeconds }, `${zh}：此处是另一包（${really}）`, `${en}: holds another parcel (${really})`);
    else problems.add("changed", { track, atSeconds }, `${zh}：内容被改动`, `${en}: is not what was entered`);
  }
}

/** All entries that can be read; where the ledger is malformed was said before. */
function forEachEntry(file: string, fn: (entry: Parameters<StoredBytes["add"]>[0]) => void): void {
  try {
    for (const { entry } of readEntries(file)) fn(entry);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function key(digest: Uint8Array): string {
  return Buffer.from(digest).toString("hex");
}

function declaredGaps(model: TakeModel): Verified["declaredGaps"] {
  return model.tracks.flatMap((track) => {
    const lost = track.segments.reduce((sum, { lostParcels }) => sum + lostParcels.length, 0);
    const gaps = track.gaps
      .filter(({ fromUs, toUs }) => toUs > fromUs)
      .map(({ fromUs, toUs }) => ({ track: track.id, fromSeconds: fromUs / 1e6, toSeconds: toUs / 1e6, lostParcels: 0 }));
    const first = track.segments.find(({ lostParcels }) => lostParcels.length > 0);
    if (!first) return gaps;
    const seconds = (ticks: number) => ticks / track.timescale;
    return [...gaps, { track: track.id, fromSeconds: seconds(first.fromTicks), toSeconds: seconds(first.toTicks), lostParcels: lost }];
  });
}
