import type { PeerCertificate } from "node:tls";

/** The names that matter to us of a certificate that TLS has verified: URIs of its subject alternative name (RFC 5280 4.2.1.6). */
export function certificateOf(peer: PeerCertificate | undefined): { uris: string[]; fingerprint: string } | undefined {
  if (!peer?.raw) return undefined;
  // Node writes unusual values in JSON quotes, so that a comma inside a name can't make two; quoted ones are none of ours.
  const uris = (peer.subjectaltname ?? "")
    .split(", ")
    .filter((name) => name.startsWith("URI:") && !name.includes('"'))
    .map((name) => name.slice("URI:".length));
  return { uris, fingerprint: peer.fingerprint256 };
}
