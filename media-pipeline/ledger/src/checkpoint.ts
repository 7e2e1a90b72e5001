import { fromBase64, toBase64 } from "./bytes.ts";
import { type CheckSignature, openNote, type Signer, signNote, type Verifier } from "./note.ts";
import type { Digest } from "./tree.ts";

/** C2SP tlog-checkpoint: a head of the ledger. */
export interface Checkpoint {
  /** Names the ledger: `xiezhi/<site>/<room>/<take>`. */
  origin: string;
  /** Entries it covers. */
  size: number;
  root: Uint8Array;
}

/** Name of the key that signs a room's ledgers, and beginning of their origins. */
export function roomKeyName(siteId: string, roomId: string): string {
  return `xiezhi/${siteId}/${roomId}`;
}

export function originOf(keyName: string, takeId: string): string {
  return `${keyName}/${takeId}`;
}

export function signCheckpoint(digest: Digest, checkpoint: Checkpoint, signer: Signer): string {
  return signNote(digest, `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`, signer);
}

/** The checkpoint in a signed note. Throws RangeError when the note is malformed or not signed by this key. */
export function openCheckpoint(note: string, verifier: Verifier, check: CheckSignature): Checkpoint {
  const [origin, size, root] = openNote(note, verifier, check).split("\n");
  if (!origin || !size || !root || !/^(0|[1-9][0-9]{0,15})$/.test(size)) throw new RangeError("not a checkpoint");
  return { origin, size: Number(size), root: fromBase64(root) };
}

/** What a checkpoints file holds for a note: each is followed by an empty line. */
export function noteForFile(note: string): string {
  return `${note}\n`;
}

/**
 * The notes of a checkpoints file, in order, and what was left of a note that was not written to its end. Neither part of a
 * checkpoint note holds an empty line, so texts and signatures take turns between empty lines.
 */
export function splitNotes(file: string): { notes: string[]; torn: string } {
  const parts = file.split("\n\n");
  const notes: string[] = [];
  let at = 0;
  for (; at + 2 < parts.length; at += 2) notes.push(`${parts[at]}\n\n${parts[at + 1]}\n`);
  return { notes, torn: parts.slice(at).join("\n\n") };
}
