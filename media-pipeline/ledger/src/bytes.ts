import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

/** Same length, same bytes. Nothing compared here is secret. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

export function toBase64(bytes: Uint8Array): string {
  return base64Encode(bytes, "std");
}

/** Only the one canonical spelling (RFC 4648 4, padded, spare bits zero): a note must not have two forms. Throws RangeError. */
export function fromBase64(text: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = base64Decode(text);
  } catch {
    throw new RangeError("not base64");
  }
  if (toBase64(bytes) !== text) throw new RangeError("not canonical base64");
  return bytes;
}
