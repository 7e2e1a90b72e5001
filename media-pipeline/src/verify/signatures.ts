import { existsSync, readFileSync } from "node:fs";
import { sameBytes } from "@xiezhi/ledger/bytes.ts";
import { type Checkpoint, noteForFile, openCheckpoint, splitNotes } from "@xiezhi/ledger/checkpoint.ts";
import { parseVerifierKey, type Verifier } from "@xiezhi/ledger/note.ts";
import { checkEd25519, sha256 } from "../signing.ts";
import type { TakeFiles } from "../take-files.ts";
import type { Problems } from "./problems.ts";

/**
 * The key to check with: the trusted line if one is given, else the folder's own. A folder that names another key than the
 * trusted one was signed anew, or belongs to another room.
 */
export function chooseKey(files: TakeFiles, trustedLine: string | undefined, problems: Problems): Verifier | undefined {
  const own = readKey(() => readFileSync(files.verifierKey, "utf8"));
  if (!own) problems.add("malformed", {}, "公钥文件缺失或无法识别", "the verifier key is missing or is none");
  if (trustedLine === undefined) return own;
  const trusted = readKey(() => trustedLine);
  if (!trusted) problems.add("malformed", {}, "所给的可信公钥无法识别", "the trusted key that was given is none");
  else if (own && !(own.name === trusted.name && sameBytes(own.publicKey, trusted.publicKey)))
    problems.add("resigned", {}, `文件夹中的公钥（${own.name}）不是可信公钥`, `the folder's key (${own.name}) is not the trusted one`);
  return trusted;
}

/** The signed heads, in order; each note that is not one is a problem. */
export function signedHeads(files: TakeFiles, verifier: Verifier, problems: Problems): Checkpoint[] {
  const bytes = existsSync(files.checkpoints) ? readFileSync(files.checkpoints) : Buffer.alloc(0);
  const text = bytes.toString("utf8");
  const { notes, torn } = splitNotes(text);
  if (torn !== "" || notes.map(noteForFile).join("") !== text)
    problems.add("cutOff", {}, "检查点文件不完整", "the checkpoints file does not end with a whole note");
  if (!Buffer.from(text).equals(bytes)) problems.add("malformed", {}, "检查点文件不是文本", "the checkpoints file is no text");
  const heads: Checkpoint[] = [];
  for (const [at, note] of notes.entries()) {
    const head = openHead(note, at, verifier, problems);
    if (!head) continue;
    const before = heads.at(-1);
    if (before && head.size <= before.size)
      problems.add(
        head.size === before.size ? "inserted" : "reordered",
        {},
        `第 ${at + 1} 个检查点不在前一个之后`,
        `checkpoint ${at + 1} does not come after the one before it`,
      );
    else heads.push(head);
  }
  if (heads.length === 0) problems.add("unsigned", {}, "没有有效的签名检查点", "there is no checkpoint with a good signature");
  return heads;
}

function openHead(note: string, at: number, verifier: Verifier, problems: Problems): Checkpoint | undefined {
  try {
    return openCheckpoint(note, verifier, checkEd25519);
  } catch (error) {
    const why = (error as Error).message;
    const otherKey = why === "not signed by this key";
    problems.add(
      otherKey ? "resigned" : "changed",
      {},
      `第 ${at + 1} 个检查点：${otherKey ? "不是用该公钥签名" : "签名无效"}`,
      `checkpoint ${at + 1}: ${why}`,
    );
    return undefined;
  }
}

function readKey(line: () => string): Verifier | undefined {
  try {
    return parseVerifierKey(sha256, line());
  } catch {
    return undefined;
  }
}
