import type { Clock, Timer } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { Conversation, type RtspEnd, RtspError } from "./conversation.ts";
import { isRtp, rtpSsrc } from "./rtp.ts";
import { visitRtcp } from "./rtcp.ts";
import { parseSdp, type RtspTrackInfo } from "./sdp.ts";
import { ClientLogin } from "./wire/digest.ts";
import { parseTransport, RtspFormatError, type RtspResponse } from "./wire/messages.ts";

export { RtspError } from "./conversation.ts";
export type { RtspTrackInfo } from "./sdp.ts";

/** One packet; the object and its bytes are used again for the next, so copy what is to be kept. */
export interface RtpArrival {
  /** `index` of the track. */
  track: number;
  packet: Buffer;
  /** `clock.monoUs()` of the read from the socket that completed it. */
  arrivedUs: number;
}

export interface SenderReportArrival {
  track: number;
  /** UTC milliseconds by the device's clock, with fraction. */
  ntpMs: number;
  /** What the track's RTP clock showed then. */
  rtpTimestamp: number;
  arrivedUs: number;
}

export interface RtspCounters {
  packets: number;
  /** Of these, headers of RTP included. */
  bytes: number;
  senderReports: number;
  /** Between frames and messages, or of frames that were cut short. */
  garbageBytes: number;
  /** Frames of channels that were not set up, and what is neither RTP nor RTCP. */
  strayFrames: number;
  keepAlives: number;
}

export interface RtspSession {
  /** Only those that were set up. */
  readonly tracks: readonly RtspTrackInfo[];
  /** Says goodbye and waits for the answer, one second at most. */
  close(): Promise<void>;
  /** Resolves once, whoever ended it. */
  readonly closed: Promise<RtspEnd>;
  readonly counters: Readonly<RtspCounters>;
}

export interface OpenRtspOptions {
  /** rtsp://host:port/path, no credentials inside. */
  url: string;
  username?: string;
  password?: Secret;
  /** Basic shows the password to anyone on the way; off unless a device knows nothing else. */
  allowBasic?: boolean;
  wants(track: RtspTrackInfo): boolean;
  clock: Clock;
  signal: AbortSignal;
  /** May be called before the session is there: many cameras send before they answer PLAY. */
  onRtp(arrival: Readonly<RtpArrival>): void;
  onSenderReport(report: SenderReportArrival): void;
  /** Bytes came that belong to nothing: what was handed on right before may be a mixture of torn packets. */
  onNoise?(): void;
  /** Of each answer, and of the connection. */
  responseTimeoutMs?: number;
  /** Without an RTP packet for so long the session ends as `silent`. */
  silenceMs?: number;
}

const DEFAULT_PORT = 554;
const GOODBYE_MS = 1_000;
const CONTROL_MAX_CHARS = 2048;

/**
 * One attempt to receive a device's stream, RTP over the RTSP connection (RFC 2326 clause 10.12). It connects to the host of
 * `url` and to no other: what the device names contributes path and query. Rejects with `RtspError`.
 */
export async function openRtsp(options: OpenRtspOptions): Promise<RtspSession> {
  const receiver = connectReceiver(options);
  await orEnd(receiver, receiver.open());
  return receiver;
}

/** What a device offers, asked without setting anything up: nothing flows. Rejects with `RtspError`. */
export async function describeRtsp(
  options: Pick<OpenRtspOptions, "url" | "username" | "password" | "allowBasic" | "clock" | "signal" | "responseTimeoutMs">,
): Promise<RtspTrackInfo[]> {
  const receiver = connectReceiver({ ...options, wants: () => false, onRtp: () => {}, onSenderReport: () => {} });
  const tracks = await orEnd(receiver, receiver.describe());
  receiver.end("closed");
  return tracks;
}

function connectReceiver(options: OpenRtspOptions): Receiver {
  const { signal } = options;
  const address = parseAddress(options.url);
  if (signal.aborted) throw new RtspError("closed", "aborted");
  const receiver = new Receiver(options, address);
  const abort = () => receiver.end("aborted");
  signal.addEventListener("abort", abort, { once: true });
  void receiver.closed.then(() => signal.removeEventListener("abort", abort));
  return receiver;
}

async function orEnd<T>(receiver: Receiver, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    receiver.end("closed");
    throw error instanceof RtspFormatError ? new RtspError("protocol", error.message) : error;
  }
}

interface Address {
  host: string;
  port: number;
  /** Scheme and authority, as each request names it. */
  origin: string;
  path: string;
}

function parseAddress(text: string): Address {
  const url = URL.parse(text);
  if (url?.protocol !== "rtsp:" || url.hostname === "") throw new RtspError("protocol", "not an rtsp: address");
  if (url.username || url.password) throw new RtspError("protocol", "name and password do not belong into the address");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(url.port) || DEFAULT_PORT, origin: `rtsp://${url.host}`, path: `${url.pathname}${url.search}` };
}

/** Path and query of what a device wrote, made harmless for a request line; another host in it is passed over (SSRF). */
function pathOf(reference: string): string {
  const path = reference.replace(/^rtspu?s?:\/\/[^/?]*/i, "").slice(0, CONTROL_MAX_CHARS);
  return path.replace(/[^\x21-\x7e]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0").slice(-2)}`);
}

/** RFC 2326 appendix C.1.1, except that a relative control is appended to the base, query and all: so all cameras mean it. */
function resolveControl(base: string, control: string): string {
  if (control === "" || control === "*") return base;
  if (/^rtspu?s?:\/\//i.test(control) || control.startsWith("/")) return pathOf(control);
  return `${base.endsWith("/") ? base : `${base}/`}${pathOf(control)}`;
}

class Receiver implements RtspSession {
  readonly tracks: RtspTrackInfo[] = [];
  readonly closed: Promise<RtspEnd>;
  private readonly options: OpenRtspOptions;
  private readonly address: Address;
  private readonly silenceMs: number;
  private readonly conversation: Conversation;
  private readonly counted: RtspCounters = { packets: 0, bytes: 0, senderReports: 0, garbageBytes: 0, strayFrames: 0, keepAlives: 0 };
  private readonly arrival: RtpArrival = { track: 0, packet: Buffer.alloc(0), arrivedUs: 0 };
  /** Track of each channel, -1 where there is none. */
  private readonly trackOf = new Int16Array(256).fill(-1);
  private readonly sources = new Map<number, number>();
  private readonly silenced = new Set<number>();
  private lastRtpUs = 0;
  private aggregate = "";
  private keepAliveMethod = "OPTIONS";
  private timers: Timer[] = [];
  private over = false;
  private resolveClosed: (end: RtspEnd) => void = () => {};

  constructor(options: OpenRtspOptions, address: Address) {
    this.options = options;
    this.address = address;
    this.silenceMs = options.silenceMs ?? 5_000;
    const { username, password, allowBasic = false } = options;
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    this.conversation = new Conversation({
      host: address.host,
      port: address.port,
      clock: options.clock,
      responseTimeoutMs: options.responseTimeoutMs ?? 5_000,
      login: username !== undefined && password ? new ClientLogin({ username, password, allowBasic }) : undefined,
      onFrame: (channel, packet) => this.receive(channel, packet),
      onGarbage: () => options.onNoise?.(),
      onEnd: (end) => this.ended(end),
    });
  }

  get counters(): RtspCounters {
    return { ...this.counted, garbageBytes: this.conversation.reader.garbageBytes };
  }

  async describe(): Promise<RtspTrackInfo[]> {
    const { conversation } = this;
    const asked = this.address.path;
    const offer = await conversation.request("OPTIONS", this.uri(asked));
    if (/\bGET_PARAMETER\b/i.test(offer.headers.get("public") ?? "")) this.keepAliveMethod = "GET_PARAMETER";
    const description = await conversation.request("DESCRIBE", this.uri(asked), [["Accept", "application/sdp"]]);
    const { control, tracks } = parseSdp(description.body.toString("latin1"));
    this.aggregate = resolveControl(baseOf(description, asked), control);
    return tracks;
  }

  async open(): Promise<void> {
    for (const track of await this.describe()) if (this.options.wants(track)) await this.setUp(track);
    if (this.tracks.length === 0) throw new RtspError("protocol", "the device offers no track that is wanted");
    await this.conversation.request("PLAY", this.uri(this.aggregate), [["Range", "npt=0.000-"]]);
    // A device may have said goodbye right behind its answer.
    if (this.over) return;
    this.watchSilence();
    this.keepAlive();
  }

  async close(): Promise<void> {
    const goodbye = this.conversation.request("TEARDOWN", this.uri(this.aggregate)).catch(() => undefined);
    const patience = this.options.clock.after(GOODBYE_MS, () => this.end("closed"));
    await goodbye;
    patience.cancel();
    this.end("closed");
    await this.closed;
  }

  end(end: RtspEnd): void {
    this.conversation.finish(end, new RtspError("closed", end));
  }

  private ended(end: RtspEnd): void {
    this.over = true;
    for (const timer of this.timers) timer.cancel();
    this.timers = [];
    this.resolveClosed(end);
  }

  private uri(path: string): string {
    return `${this.address.origin}${path}`;
  }

  private async setUp(track: RtspTrackInfo): Promise<void> {
    const asked = this.tracks.length * 2;
    if (asked > 254) throw new RtspError("protocol", "too many tracks");
    const transport = `RTP/AVP/TCP;unicast;interleaved=${asked}-${asked + 1}`;
    const answer = await this.conversation.request("SETUP", this.uri(resolveControl(this.aggregate, track.control)), [
      ["Transport", transport],
    ]);
    const [given] = parseTransport(answer.headers.get("transport") ?? "RTP/AVP/TCP");
    if (!given?.tcp && !given?.interleaved) throw new RtspError("protocol", "SETUP: the device does not send RTP over TCP");
    // A device that gives each track the same channels can't mean it.
    const free = given.interleaved?.every((channel) => this.trackOf[channel] === -1);
    for (const channel of free && given.interleaved ? given.interleaved : [asked, asked + 1]) {
      this.trackOf[channel] = track.index;
      this.conversation.reader.channels[channel] = 1;
    }
    this.tracks.push(track);
  }

  /** The hot path: runs for each packet, allocates nothing. */
  private receive(channel: number, packet: Buffer): void {
    const track = this.trackOf[channel] as number;
    // Told by what it is, not by the parity of its channel: some devices number channels their own way.
    if (track < 0 || !isRtp(packet)) return this.receiveOther(track, packet);
    const { arrival, counted } = this;
    counted.packets++;
    counted.bytes += packet.length;
    arrival.track = track;
    arrival.packet = packet;
    arrival.arrivedUs = this.lastRtpUs = this.conversation.readUs;
    this.options.onRtp(arrival);
    if (this.sources.get(track) !== rtpSsrc(packet)) this.sources.set(track, rtpSsrc(packet));
  }

  private receiveOther(listed: number, packet: Buffer): void {
    let known = false;
    visitRtcp(packet, {
      onSenderReport: (ssrc, ntpMs, rtpTimestamp) => {
        const track = listed < 0 ? this.trackOfSource(ssrc) : listed;
        if (track === undefined) return;
        known = true;
        this.counted.senderReports++;
        this.options.onSenderReport({ track, ntpMs, rtpTimestamp, arrivedUs: this.conversation.readUs });
      },
      onBye: (ssrc) => {
        known = true;
        this.saidBye(ssrc);
      },
    });
    if (!known && (listed < 0 || packet.length < 8)) this.counted.strayFrames++;
  }

  private trackOfSource(ssrc: number): number | undefined {
    for (const [track, source] of this.sources) if (source === ssrc) return track;
    return undefined;
  }

  /** The stream is over when each of its sources has left (RFC 3550 clause 6.6). */
  private saidBye(ssrc: number): void {
    const track = this.trackOfSource(ssrc);
    if (track !== undefined) this.silenced.add(track);
    if (this.silenced.size === this.tracks.length && this.tracks.length > 0) this.end("bye");
  }

  private watchSilence(): void {
    const { clock } = this.options;
    this.lastRtpUs = clock.monoUs();
    const look = () => {
      const leftMs = this.silenceMs - (clock.monoUs() - this.lastRtpUs) / 1e3;
      if (leftMs <= 0) return this.end("silent");
      this.timers[0] = clock.after(Math.ceil(leftMs), look);
    };
    look();
  }

  private keepAlive(): void {
    const everyMs = Math.max(1, this.conversation.sessionTimeoutS / 2) * 1e3;
    this.timers[1] = this.options.clock.every(everyMs, () => void this.sendKeepAlive());
  }

  /** What counts is that the device has heard it; many answer late or never while they stream. */
  private async sendKeepAlive(): Promise<void> {
    this.counted.keepAlives++;
    try {
      await this.conversation.request(this.keepAliveMethod, this.uri(this.aggregate));
    } catch (error) {
      const status = error instanceof RtspError ? error.status : undefined;
      if (status === 454) return this.end("session-lost");
      if (status === undefined || this.keepAliveMethod === "OPTIONS") return;
      this.keepAliveMethod = "OPTIONS";
      await this.sendKeepAlive();
    }
  }
}

function baseOf(description: RtspResponse, asked: string): string {
  const named = description.headers.get("content-base") ?? description.headers.get("content-location");
  return named === undefined || named === "" ? asked : resolveControl(asked, named);
}
