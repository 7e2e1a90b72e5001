/** Whom a certificate names. */
type Peer = { kind: "room"; siteId: string; roomId: string } | { kind: "program"; name: string };

/** What to issue: a room's agent, a program, or a plain server. `names`: where it is reached as a server. */
export type CertificateSubject =
  | { kind: "room"; siteId: string; roomId: string; names?: readonly string[] }
  | { kind: "program"; name: string; names?: readonly string[] }
  | { kind: "server"; names: readonly string[] };

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** The URI in a certificate's subject alternative name; a plain server has none. Refuses names that are not plain. */
export function uriOf(subject: CertificateSubject): string | undefined {
  if (subject.kind === "server") return undefined;
  const names = subject.kind === "room" ? [subject.siteId, subject.roomId] : [subject.name];
  for (const name of names) if (!NAME.test(name)) throw new RangeError(`not a plain name: ${JSON.stringify(name.slice(0, 40))}`);
  return `xiezhi:${subject.kind}:${names.join("/")}`;
}

/** Who shows a certificate with these URIs; undefined where it names none of ours, or more than one. */
export function peerOf(uris: readonly string[]): Peer | undefined {
  const ours = uris.filter((uri) => uri.startsWith("xiezhi:"));
  const [, kind, rest] = /^xiezhi:(room|program):(.+)$/.exec(ours.length === 1 ? ours[0]! : "") ?? [];
  const names = rest?.split("/") ?? [];
  if (!names.every((name) => NAME.test(name))) return undefined;
  const [first, second] = names;
  if (kind === "room" && names.length === 2) return { kind, siteId: first!, roomId: second! };
  if (kind === "program" && names.length === 1) return { kind, name: first! };
  return undefined;
}
