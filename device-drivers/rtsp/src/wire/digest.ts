import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";

/** A longer challenge or answer is nobody's honest one. */
const CREDENTIALS_MAX_CHARS = 4096;
const NONCE_AGE_MAX_US = 5e6;

/** Strongest first, which is also the order in which a server offers them (RFC 7616 clause 3.7). */
const HASHES = new Map([
  ["SHA-256", "sha256"],
  ["MD5", "md5"],
]);

interface Credentials {
  scheme: string;
  parameters: Map<string, string>;
}

/** Schemes with their parameters, of which one field may hold several (RFC 7235 clause 4.1). Text is latin1: bytes as they came. */
export function parseCredentials(field: string): Credentials[] {
  if (field.length > CREDENTIALS_MAX_CHARS) return [];
  const found: Credentials[] = [];
  for (const match of field.matchAll(/([\w-]{1,32})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([A-Za-z][\w-]*)/g)) {
    const [, name, quoted, token, scheme] = match;
    if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name !== undefined) found.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? token ?? "");
  }
  return found;
}

interface DigestInput {
  algorithm: string;
  username: string;
  password: Secret;
  realm: string;
  nonce: string;
  method: string;
  uri: string;
  /** Absent for a server that does not know `qop` (RFC 2617 clause 3.2.2.1, as RFC 2069 had it). */
  qop?: { cnonce: string; nonceCount: string };
}

/** `response` of RFC 7616 clause 3.4.1 with qop=auth or none. Unknown algorithms must have been refused before. */
function digestResponse(input: DigestInput): string {
  const [base = "", session] = input.algorithm.toUpperCase().split(/-(?=SESS$)/);
  const hash = (text: string) =>
    createHash(HASHES.get(base) ?? "")
      .update(text, "latin1")
      .digest("hex");
  const account = hash(`${input.username}:${input.realm}:${asBytes(input.password.reveal())}`);
  const a1 = session ? hash(`${account}:${input.nonce}:${input.qop?.cnonce ?? ""}`) : account;
  const a2 = hash(`${input.method}:${input.uri}`);
  const middle = input.qop ? `${input.nonce}:${input.qop.nonceCount}:${input.qop.cnonce}:auth` : input.nonce;
  return hash(`${a1}:${middle}:${a2}`);
}

/** UTF-8 of a text as one character a byte, which is how messages are held. */
function asBytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

interface Challenge {
  scheme: "digest" | "basic";
  algorithm: string;
  realm: string;
  nonce: string;
  opaque: string | undefined;
  qop: boolean;
  stale: boolean;
}

function challengeFrom({ scheme, parameters }: Credentials): Challenge | undefined {
  const algorithm = parameters.get("algorithm") ?? "MD5";
  const offered = parameters.get("qop");
  const options = (offered ?? "auth").toLowerCase().split(/[\s,]+/);
  if (scheme !== "basic" && scheme !== "digest") return undefined;
  const known = HASHES.has(algorithm.toUpperCase().replace(/-SESS$/, ""));
  if (scheme === "digest" && !(known && options.includes("auth"))) return undefined;
  return {
    scheme,
    algorithm,
    realm: parameters.get("realm") ?? "",
    nonce: parameters.get("nonce") ?? "",
    opaque: parameters.get("opaque"),
    qop: offered !== undefined,
    stale: parameters.get("stale")?.toLowerCase() === "true",
  };
}

function strength(challenge: Challenge): number {
  if (challenge.scheme === "basic") return 0;
  return challenge.algorithm.toUpperCase().startsWith("SHA-256") ? 2 : 1;
}

export interface LoginOptions {
  username: string;
  password: Secret;
  /** Basic tells the password to everybody on the wire, and to whoever poses as the camera. */
  allowBasic: boolean;
}

/** The client's side of RFC 7616 (and of Basic, RFC 7617, where it is allowed): answers what a server asks for. */
export class ClientLogin {
  private readonly options: LoginOptions;
  private readonly username: string;
  private challenge: Challenge | undefined;
  private nonceCount = 0;
  /** The server has taken this name and password: another refusal means an old nonce, not a wrong password. */
  private proven = false;

  constructor(options: LoginOptions) {
    this.options = options;
    this.username = asBytes(options.username);
  }

  /**
   * Takes the strongest challenge of a 401. False when trying again is useless or, as cameras lock accounts after a few
   * wrong passwords, harmful.
   */
  accept(fields: readonly string[]): boolean {
    const challenges = fields
      .flatMap(parseCredentials)
      .map(challengeFrom)
      .filter((one) => one !== undefined);
    const usable = challenges.filter((one) => one.scheme === "digest" || this.options.allowBasic);
    const [best] = usable.sort((a, b) => strength(b) - strength(a));
    const refused = this.challenge !== undefined && !best?.stale && !(this.proven && best?.nonce !== this.challenge.nonce);
    if (!best || refused) return false;
    this.challenge = best;
    this.nonceCount = 0;
    this.proven = false;
    return true;
  }

  /** A request with our answer went through. */
  accepted(): void {
    this.proven = this.challenge !== undefined;
  }

  /** Value of Authorization, or nothing as long as nobody asked. */
  authorization(method: string, uri: string): string | undefined {
    const challenge = this.challenge;
    if (!challenge) return undefined;
    const { password } = this.options;
    if (challenge.scheme === "basic")
      return `Basic ${Buffer.from(`${this.username}:${asBytes(password.reveal())}`, "latin1").toString("base64")}`;
    this.nonceCount++;
    const qop = { cnonce: randomBytes(8).toString("hex"), nonceCount: this.nonceCount.toString(16).padStart(8, "0") };
    const { algorithm, realm, nonce, opaque } = challenge;
    const input = { algorithm, username: this.username, password, realm, nonce, method, uri };
    const response = digestResponse(challenge.qop ? { ...input, qop } : input);
    return [
      `Digest username=${quoted(this.username)}, realm=${quoted(realm)}, nonce=${quoted(nonce)}, uri=${quoted(uri)}, response="${response}"`,
      ...(challenge.algorithm === "MD5" ? [] : [`algorithm=${algorithm}`]),
      ...(challenge.qop ? [`qop=auth, nc=${qop.nonceCount}, cnonce="${qop.cnonce}"`] : []),
      ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
    ].join(", ");
  }
}

export interface GuardOptions {
  realm: string;
  username: string;
  password: Secret;
  clock: Clock;
}

/**
 * The server's side of RFC 7616 for one connection. A nonce is good for this connection, for 5 s, and with qop for each
 * nonce count once; afterwards `stale` lets the client try again without asking a person.
 */
export class ServerLogin {
  private readonly options: GuardOptions;
  private nonce = "";
  private issuedUs = 0;
  private lastCount = 0;

  constructor(options: GuardOptions) {
    if (options.password.reveal() === "") throw new Error("a login without a password is none");
    this.options = options;
  }

  /** Values of WWW-Authenticate; the last is what clients that know only MD5 take. */
  challenge(stale: boolean): string[] {
    this.nonce = randomBytes(16).toString("hex");
    this.issuedUs = this.options.clock.monoUs();
    this.lastCount = 0;
    const rest = `realm=${quoted(this.options.realm)}, nonce="${this.nonce}", qop="auth"${stale ? ", stale=true" : ""}`;
    return [...HASHES.keys()].map((algorithm) => `Digest ${rest}, algorithm=${algorithm}`);
  }

  check(method: string, uri: string, authorization: string | undefined): "granted" | "stale" | "refused" {
    const [given] = parseCredentials(authorization ?? "");
    if (given?.scheme !== "digest" || !this.matches(given.parameters, method, uri)) return "refused";
    const fresh = given.parameters.get("nonce") === this.nonce && this.options.clock.monoUs() - this.issuedUs <= NONCE_AGE_MAX_US;
    if (!fresh || !this.countsOn(given.parameters)) return "stale";
    return "granted";
  }

  /** Old RTSP clients know no qop; theirs is repeatable for as long as the nonce lives, on this connection alone. */
  private countsOn(parameters: Map<string, string>): boolean {
    if (!parameters.has("qop")) return true;
    const count = Number.parseInt(parameters.get("nc") ?? "", 16);
    if (!(count > this.lastCount)) return false;
    this.lastCount = count;
    return true;
  }

  private matches(parameters: Map<string, string>, method: string, uri: string): boolean {
    const { realm, password } = this.options;
    const username = asBytes(this.options.username);
    const algorithm = parameters.get("algorithm") ?? "MD5";
    if (!HASHES.has(algorithm.toUpperCase()) || parameters.get("username") !== username || parameters.get("uri") !== uri) return false;
    const qop = { cnonce: parameters.get("cnonce") ?? "", nonceCount: parameters.get("nc") ?? "" };
    const input = { algorithm, username, password, realm, nonce: parameters.get("nonce") ?? "", method, uri };
    const expected = Buffer.from(digestResponse(parameters.has("qop") ? { ...input, qop } : input));
    const given = Buffer.from(parameters.get("response")?.toLowerCase() ?? "");
    return expected.length === given.length && timingSafeEqual(expected, given);
  }
}
