import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { test } from "node:test";
import { noteForFile, openCheckpoint, signCheckpoint, splitNotes } from "./checkpoint.ts";
import { type CheckSignature, formatVerifierKey, openNote, parseVerifierKey, type Signer, signNote, verifierOf } from "./note.ts";
import type { Digest } from "./tree.ts";

const sha256: Digest = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const check: CheckSignature = (key, message, signature) =>
  verify(null, message, { key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(key).toString("base64url") }, format: "jwk" }, signature);

/** The key of the example in Go's sumdb/note, which C2SP signed-note was written down from. */
const PETER = {
  line: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  note:
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
};

test("a note of another implementation is read, and one with a changed letter is not", () => {
  const peter = parseVerifierKey(sha256, PETER.line);
  assert.equal(formatVerifierKey(peter), PETER.line);
  assert.match(openNote(PETER.note, peter, check), /^If you think/);
  assert.throws(() => openNote(PETER.note.replace("answer", "Answer"), peter, check), /wrong signature/);
  assert.throws(() => openNote(PETER.note.replace("— PeterNeumann", "— Peterneumann"), peter, check), /not signed/);
  assert.throws(() => openNote(PETER.note.slice(0, -1), peter, check), RangeError);
});

test("a verifier key with a wrong id, algorithm or form is refused", () => {
  for (const line of [PETER.line.replace("c74f", "c74e"), PETER.line.replace("+AR", "+BR"), `${PETER.line}=`, "x", ""])
    assert.throws(() => parseVerifierKey(sha256, line), RangeError, line);
});

test("checkpoints are signed, opened, and found in a file whose last note was torn", () => {
  const signer = signerFrom(7);
  const verifier = verifierOf(sha256, signer);
  const heads = [1, 5, 9].map((size) => ({ origin: "xiezhi/court-1/courtroom-1/t", size, root: sha256(Uint8Array.of(size)) }));
  const notes = heads.map((head) => signCheckpoint(sha256, head, signer));
  assert.deepEqual(
    notes.map((note) => openCheckpoint(note, verifier, check)).map(({ size }) => size),
    [1, 5, 9],
  );
  const file = notes.map(noteForFile).join("");
  assert.deepEqual(splitNotes(file), { notes, torn: "" });
  for (let cut = 1; cut < noteForFile(notes[2] as string).length; cut++)
    assert.deepEqual(splitNotes(file.slice(0, -cut)).notes, notes.slice(0, 2));
  assert.throws(() => openCheckpoint(signNote(sha256, "a\n05\nAAAA\n", signer), verifier, check), /not a checkpoint/);
});

test("a cosignature beside ours is passed over, ours must be there", () => {
  const [ours, other] = [signerFrom(1), signerFrom(2)];
  const cosigned = signNote(sha256, "text\n", ours) + signNote(sha256, "text\n", { ...other, name: "witness" }).slice("text\n\n".length);
  assert.equal(openNote(cosigned, verifierOf(sha256, ours), check), "text\n");
  assert.throws(() => openNote(cosigned, verifierOf(sha256, signerFrom(3)), check), /not signed by this key/);
});

function signerFrom(seed: number): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, seed)]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x as string, "base64url");
  return { name: "xiezhi/court-1/courtroom-1", publicKey, sign: (message) => sign(null, message, key) };
}
