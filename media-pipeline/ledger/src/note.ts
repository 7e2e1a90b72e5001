import { fromBase64, sameBytes, toBase64 } from "./bytes.ts";
import type { Digest } from "./tree.ts";

/**
 * C2SP signed-note: a text, an empty line, and lines "— <key name> <base64 of key id and signature>". Digest is SHA-256 for
 * key ids whatever the ledger uses. Signing and checking are injected: Ed25519 (RFC 8032) over the text.
 */
export interface Signer {
  /** Without spaces and plus signs. */
  name: string;
  publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** A public key with its name, as a verifier key line says it. */
export interface Verifier {
  name: string;
  /** The first four bytes of the digest of name, newline, algorithm and key. */
  keyId: Uint8Array;
  publicKey: Uint8Array;
}

export type CheckSignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

const ED25519 = 1;
const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_MARK = "— ";
const NAME = /^[^\s+]{1,200}$/u;
const utf8 = new TextEncoder();

export function verifierOf(digest: Digest, signer: Pick<Signer, "name" | "publicKey">): Verifier {
  if (!NAME.test(signer.name)) throw new RangeError(`not a key name: ${JSON.stringify(signer.name)}`);
  if (signer.publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError("not an Ed25519 public key");
  const keyId = digest(utf8.encode(`${signer.name}\n`), Uint8Array.of(ED25519), signer.publicKey).slice(0, KEY_ID_BYTES);
  return { name: signer.name, keyId, publicKey: signer.publicKey };
}

/** The verifier key line, without a newline: `<name>+<key id as hex>+<base64 of algorithm and key>`. */
export function formatVerifierKey(verifier: Verifier): string {
  return `${verifier.name}+${hex(verifier.keyId)}+${toBase64(Uint8Array.of(ED25519, ...verifier.publicKey))}`;
}

/** Throws RangeError when the line is none, its algorithm is unknown or its key id is not the key's. */
export function parseVerifierKey(digest: Digest, line: string): Verifier {
  const [, name, id, key] = /^([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,200})$/u.exec(line.trim()) ?? [];
  if (name === undefined || id === undefined || key === undefined) throw new RangeError("not a verifier key");
  const bytes = fromBase64(key);
  if (bytes[0] !== ED25519) throw new RangeError(`verifier key of unknown algorithm ${bytes[0]}`);
  const verifier = verifierOf(digest, { name, publicKey: bytes.slice(1) });
  if (hex(verifier.keyId) !== id) throw new RangeError("verifier key with a wrong key id");
  return verifier;
}

/** The whole note for a text that ends with a newline. */
export function signNote(digest: Digest, text: string, signer: Signer): string {
  const { keyId } = verifierOf(digest, signer);
  return `${text}\n${SIGNATURE_MARK}${signer.name} ${toBase64(Uint8Array.of(...keyId, ...signer.sign(utf8.encode(text))))}\n`;
}

/**
 * The text of a note that carries a good signature of this key; signatures of other keys (cosignatures) are passed over.
 * Throws RangeError when the note is malformed, not signed by the key, or signed wrongly.
 */
export function openNote(note: string, verifier: Verifier, check: CheckSignature): string {
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) throw new RangeError("not a signed note");
  const text = note.slice(0, end + 1);
  let signed = false;
  for (const line of note.slice(end + 2, -1).split("\n")) {
    const [name, encoded] = signatureLine(line);
    if (name !== verifier.name) continue;
    const bytes = fromBase64(encoded);
    if (!sameBytes(bytes.subarray(0, KEY_ID_BYTES), verifier.keyId)) continue;
    if (!check(verifier.publicKey, utf8.encode(text), bytes.subarray(KEY_ID_BYTES))) throw new RangeError("wrong signature");
    signed = true;
  }
  if (!signed) throw new RangeError("not signed by this key");
  return text;
}

function signatureLine(line: string): [name: string, encoded: string] {
  const [name, encoded, more] = line.startsWith(SIGNATURE_MARK) ? line.slice(SIGNATURE_MARK.length).split(" ") : [];
  if (name === undefined || encoded === undefined || more !== undefined) throw new RangeError("malformed signature line");
  return [name, encoded];
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
