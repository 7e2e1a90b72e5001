// The library reads decorator metadata of its own; it must be there first.
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { type CertificateSubject, uriOf } from "./peer.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AUTHORITY_DAYS = 7300;
const CERTIFICATE_DAYS = 825;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

const AUTHORITY_KEY = "authority.key.pem";
const AUTHORITY_CERTIFICATE = "authority.cert.pem";

/** The certificate authority of one installation: who bears its certificates belongs to it. */
export interface Authority {
  /** PEM, to be given to whom it must recognise. */
  certificate: string;
  key: CryptoKey;
}

/** What a program shows and whom it believes; PEM. */
export interface TlsFiles {
  key: string;
  cert: string;
  ca: string;
}

/** Makes a new authority in `folder`; its key never leaves it (mode 600). Refuses where one is already. */
export async function createAuthority(folder: string, clock: Clock): Promise<Authority> {
  if ((await readIfThere(join(folder, AUTHORITY_CERTIFICATE))) !== undefined) throw new Error(`${folder} has an authority already`);
  const keys = await newKeys();
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: ["Xiezhi"] }],
    ...validity(clock, AUTHORITY_DAYS),
    signingAlgorithm: ECDSA,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const certificate = made.toString("pem");
  await writeDurably(join(folder, AUTHORITY_KEY), await pemOf(keys.privateKey));
  await writeDurably(join(folder, AUTHORITY_CERTIFICATE), certificate, 0o644);
  return { certificate, key: keys.privateKey };
}

/** The authority that `createAuthority` made in `folder`. */
export async function openAuthority(folder: string): Promise<Authority> {
  const certificate = await readFile(join(folder, AUTHORITY_CERTIFICATE), "utf8");
  const pem = await readFile(join(folder, AUTHORITY_KEY), "utf8");
  const key = await crypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), ECDSA, false, ["sign"]);
  return { certificate, key };
}

/**
 * A new key and certificate in `folder` (`key.pem` and `cert.pem`, mode 600, `ca.pem`), in place of what was there.
 * Rooms and programs are named by a URI; each may be a server under `names` too (DNS names or IP addresses).
 */
export async function issue(authority: Authority, subject: CertificateSubject, folder: string, clock: Clock): Promise<TlsFiles> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await newKeys();
  const names = (subject.names ?? []).map((value) => ({ type: isIp(value) ? ("ip" as const) : ("dns" as const), value }));
  const uri = uriOf(subject);
  const usages = [
    ...(uri === undefined ? [] : [x509.ExtendedKeyUsage.clientAuth]),
    ...(names.length > 0 ? [x509.ExtendedKeyUsage.serverAuth] : []),
  ];
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [commonName(subject)] }],
    issuer: issuer.subject,
    ...validity(clock, CERTIFICATE_DAYS),
    signingAlgorithm: ECDSA,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      new x509.SubjectAlternativeNameExtension([...(uri === undefined ? [] : [{ type: "url" as const, value: uri }]), ...names]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const files = { key: await pemOf(keys.privateKey), cert: made.toString("pem"), ca: authority.certificate };
  await writeDurably(join(folder, "key.pem"), files.key);
  await writeDurably(join(folder, "cert.pem"), files.cert);
  await writeDurably(join(folder, "ca.pem"), files.ca, 0o644);
  return files;
}

/** What `issue` wrote. */
export async function tlsFor(folder: string): Promise<TlsFiles> {
  const [key, cert, ca] = await Promise.all(["key.pem", "cert.pem", "ca.pem"].map((name) => readFile(join(folder, name), "utf8")));
  return { key: key ?? "", cert: cert ?? "", ca: ca ?? "" };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
}

async function pemOf(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

/** Positive, as RFC 5280 4.1.2.2 wants it. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString("hex");
}

/** From an hour ago: clocks of one installation differ. */
function validity(clock: Clock, days: number): { notBefore: Date; notAfter: Date } {
  const now = clock.nowMs();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + days * DAY_MS) };
}

function commonName(subject: CertificateSubject): string {
  if (subject.kind === "room") return `${subject.siteId}/${subject.roomId}`;
  return subject.kind === "program" ? subject.name : (subject.names[0] ?? "server");
}

function isIp(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(":");
}
