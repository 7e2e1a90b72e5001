import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject, sign, verify } from "node:crypto";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { CheckSignature, Signer } from "@xiezhi/ledger/note.ts";
import type { Digest } from "@xiezhi/ledger/tree.ts";

/** Node's half of what @xiezhi/ledger is given: SHA-256 (FIPS 180-4), Ed25519 (RFC 8032), and a room's key. */
export const sha256: Digest = (...parts) => hash("sha256", parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), "buffer");

/** What stands before a raw Ed25519 key in SubjectPublicKeyInfo (RFC 8410). */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex");

export const checkEd25519: CheckSignature = (publicKey, message, signature) => {
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
  return verify(null, message, key, signature);
};

/**
 * The key that signs a room's ledgers: an Ed25519 private key as PEM (PKCS #8), mode 600. Made when the file is not there.
 * `name` is `roomKeyName(siteId, roomId)`.
 */
export async function openRoomKey(file: string, name: string): Promise<Signer> {
  const pem = (await readIfThere(file)) ?? (await createKeyFile(file));
  return signerOf(createPrivateKey(pem), name);
}

function signerOf(key: KeyObject, name: string): Signer {
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(SPKI_HEAD.length);
  return { name, publicKey, sign: (message) => sign(null, message, key) };
}

async function createKeyFile(file: string): Promise<string> {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string;
  await writeDurably(file, pem);
  return pem;
}
