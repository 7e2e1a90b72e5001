/** Why bytes are not RTSP, or no RTSP that is taken; whoever reads them closes the connection. */
export class RtspFormatError extends Error {
  override readonly name = "RtspFormatError";
}

/** Header fields by case-insensitive name; a field may come more than once (RFC 2326 clause 4.2, RFC 2616 clause 4.2). */
export class RtspHeaders {
  private readonly values = new Map<string, string[]>();

  add(name: string, value: string): void {
    const key = name.toLowerCase();
    const known = this.values.get(key);
    if (known) known.push(value);
    else this.values.set(key, [value]);
  }

  /** The first value of the field. */
  get(name: string): string | undefined {
    return this.values.get(name.toLowerCase())?.[0];
  }

  all(name: string): readonly string[] {
    return this.values.get(name.toLowerCase()) ?? [];
  }
}

export interface RtspRequest {
  kind: "request";
  method: string;
  uri: string;
  headers: RtspHeaders;
  body: Buffer;
}

export interface RtspResponse {
  kind: "response";
  status: number;
  headers: RtspHeaders;
  body: Buffer;
}

export type RtspMessage = RtspRequest | RtspResponse;

/** Text of messages is kept byte for byte: a realm in GBK or UTF-8 must come back, and be hashed, as it was sent. */
const ENCODING = "latin1";

/** Reads start line and fields (RFC 2326 clauses 6 and 7) of `head`, which ends with the empty line; lines may end with LF alone. */
export function parseHead(head: Buffer): RtspMessage {
  const lines = head.toString(ENCODING).split(/\r?\n/);
  const headers = parseFields(lines.slice(1));
  const start = (lines[0] ?? "").trim();
  const status = /^RTSP\/\d+\.\d+ +(\d{3})(?: |$)/i.exec(start);
  if (status) return { kind: "response", status: Number(status[1]), headers, body: Buffer.alloc(0) };
  const request = /^([A-Z_]+) +(\S+) +RTSP\/\d+\.\d+$/.exec(start);
  if (!request) throw new RtspFormatError("neither a request nor an answer");
  return { kind: "request", method: request[1] ?? "", uri: request[2] ?? "", headers, body: Buffer.alloc(0) };
}

function parseFields(lines: readonly string[]): RtspHeaders {
  const headers = new RtspHeaders();
  for (const line of unfolded(lines)) {
    const colon = line.indexOf(":");
    // Devices send lines without a colon; they say nothing that could be used.
    if (colon > 0) headers.add(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
}

function unfolded(lines: readonly string[]): string[] {
  const whole: string[][] = [];
  for (const line of lines)
    if (/^[ \t]/.test(line)) whole.at(-1)?.push(line.trim());
    else whole.push([line]);
  return whole.map((parts) => parts.join(" "));
}

/** Bytes of the body that follows; absent means none (RFC 2326 clause 4.4). */
export function contentLengthBytes(headers: RtspHeaders): number {
  const text = headers.get("content-length");
  if (text === undefined) return 0;
  if (!/^\d{1,9}$/.test(text)) throw new RtspFormatError("Content-Length is no number");
  return Number(text);
}

export type Field = readonly [name: string, value: string];

export function writeRequest(method: string, uri: string, fields: readonly Field[]): Buffer {
  return writeMessage(`${method} ${uri} RTSP/1.0`, fields, "");
}

export function writeResponse(status: number, fields: readonly Field[], body = ""): Buffer {
  return writeMessage(`RTSP/1.0 ${status} ${REASONS[status] ?? "Status"}`, fields, body);
}

function writeMessage(start: string, fields: readonly Field[], body: string): Buffer {
  const lines = [start, ...fields.map(([name, value]) => `${name}: ${value}`)];
  // A value from outside must not become a field or a message of its own.
  if (lines.some((line) => /[\r\n]/.test(line))) throw new RtspFormatError("line break inside a line");
  const content = Buffer.from(body);
  if (content.length > 0) lines.push(`Content-Length: ${content.length}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, ENCODING), content]);
}

const REASONS: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  454: "Session Not Found",
  455: "Method Not Valid in This State",
  459: "Aggregate Operation Not Allowed",
  461: "Unsupported Transport",
  501: "Not Implemented",
};

export interface Transport {
  /** RTP over this very connection, as opposed to UDP. */
  tcp: boolean;
  /** Channels of RTP and RTCP, where the text names them; the second is the next one if only the first is given. */
  interleaved?: readonly [rtp: number, rtcp: number];
}

/** The alternatives of a Transport field, in the order of preference (RFC 2326 clause 12.39). */
export function parseTransport(value: string): Transport[] {
  return value.split(",").map((one) => {
    const [protocol = "", ...parameters] = one.split(";").map((part) => part.trim());
    const channels = parameters.map((text) => /^interleaved *= *(\d{1,3})(?: *- *(\d{1,3}))?$/i.exec(text)).find((match) => match !== null);
    const tcp = /\/TCP$/i.test(protocol);
    if (!channels) return { tcp };
    const rtp = Number(channels[1]);
    const rtcp = Number(channels[2] ?? rtp + 1);
    return rtp > 255 || rtcp > 255 ? { tcp } : { tcp, interleaved: [rtp, rtcp] as const };
  });
}

/** Identifier and time-out of a Session field; 60 s where none is given (RFC 2326 clause 12.37). */
export function parseSession(value: string): { id: string; timeoutS: number } {
  const [id = "", ...parameters] = value.split(";").map((part) => part.trim());
  if (!/^[\x21-\x7e]{1,256}$/.test(id)) throw new RtspFormatError("session identifier");
  const timeout = parameters.map((text) => /^timeout *= *(\d{1,6})/i.exec(text)?.[1]).find((text) => text !== undefined);
  return { id, timeoutS: Number(timeout ?? 0) || 60 };
}
