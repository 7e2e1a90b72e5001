import type { Clock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { openRtsp, type RtspSession } from "@xiezhi/rtsp/client.ts";
import { RtspError } from "@xiezhi/rtsp/conversation.ts";
import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import type { CodecClient } from "../../../codec/codec.client.ts";
import { type ReceivedTrack, Receiver, receives, soundFormat } from "../../rtp/receiver.ts";
import type { CaptureTrack } from "../../tracks/capture-track.ts";
import type { AccessUnit } from "../../unit.ts";
import type { SourceSpec, TrackSpec } from "../../wire.ts";
import type { WorkerLog } from "../../worker-log.ts";

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 1_000;
/** Cameras lock an account that is tried too often with a wrong password. */
const BACKOFF_REFUSED_MS = 10_000;
/** A session that lasted so long was a good one: the next attempt is made at once. */
const GOOD_SESSION_US = 2e6;

/** Which of the session's media is which track. */
export interface FedTrack extends TrackSpec {
  track: CaptureTrack;
}

export interface RtspSourceOptions {
  spec: SourceSpec;
  tracks: readonly FedTrack[];
  clock: Clock;
  log: WorkerLog;
  codec: CodecClient;
}

/** Keeps one RTSP session open as long as it is wanted, and hands what it brings to its tracks. */
export class RtspSource {
  readonly spec: SourceSpec;
  private readonly options: RtspSourceOptions;
  private running: { abort: AbortController; ended: Promise<void> } | undefined;

  constructor(options: RtspSourceOptions) {
    this.options = options;
    this.spec = options.spec;
  }

  start(): void {
    if (this.running) return;
    const abort = new AbortController();
    this.running = { abort, ended: this.run(abort.signal) };
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    running?.abort.abort(new Error("stopped"));
    for (const { track } of this.options.tracks) track.away("off", "");
    await running?.ended;
  }

  /** There is no address to connect to. */
  stayAway(reason: string): void {
    for (const { track } of this.options.tracks) track.away("off", reason);
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { clock, log, spec } = this.options;
    let backoffMs = BACKOFF_MIN_MS;
    let reason = "";
    while (!signal.aborted) {
      this.away(reason);
      const startedUs = clock.monoUs();
      const end = await this.once(signal);
      if (signal.aborted) return;
      reason = end.reason;
      this.away(reason);
      log.write("source ended", { source: spec.id, reason });
      if (clock.monoUs() - startedUs > GOOD_SESSION_US && end.opened) backoffMs = BACKOFF_MIN_MS;
      await clock.sleep(end.refused ? BACKOFF_REFUSED_MS : backoffMs, signal).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }

  private away(reason: string): void {
    for (const { track } of this.options.tracks) track.away("connecting", reason);
  }

  private async once(signal: AbortSignal): Promise<{ reason: string; opened: boolean; refused: boolean }> {
    let session: RtspSession | undefined;
    try {
      session = await this.open(signal);
      this.options.log.write("source connected", { source: this.spec.id, tracks: session.tracks.length });
      return { reason: await session.closed, opened: true, refused: false };
    } catch (error) {
      const refused = error instanceof RtspError && error.kind === "unauthorized";
      return { reason: error instanceof Error ? error.message : String(error), opened: false, refused };
    }
  }

  private async open(signal: AbortSignal): Promise<RtspSession> {
    const { clock, spec } = this.options;
    const connection = new Connection(this.options);
    const session = await openRtsp({
      // Checked by the caller: a source without an address is not started.
      url: spec.url ?? "",
      ...(spec.username === undefined ? {} : { username: spec.username }),
      ...(spec.password === undefined ? {} : { password: new Secret(spec.password) }),
      wants: (info) => connection.wants(info),
      clock,
      signal,
      onRtp: (arrival) => connection.receiver.rtp(arrival),
      onSenderReport: (report) => connection.receiver.report(report),
    });
    connection.begin();
    for (const track of connection.missing()) track.away("connecting", "the device offers no such track, or one that can't be received");
    return session;
  }
}

/** What belongs to one connection: which of its media feed which tracks, and the receiver with its clocks. */
class Connection {
  private readonly options: RtspSourceOptions;
  private readonly seen = { video: 0, audio: 0 };
  private readonly matched: { fed: FedTrack; info: RtspTrackInfo }[] = [];
  private made: Receiver | undefined;

  constructor(options: RtspSourceOptions) {
    this.options = options;
  }

  wants(info: RtspTrackInfo): boolean {
    const position = this.seen[info.kind]++;
    const fed = this.options.tracks.filter(
      ({ kind, rtspTrack, channel }) => kind === info.kind && rtspTrack === position && receives(info, channel) !== "no",
    );
    for (const track of fed) this.matched.push({ fed: track, info });
    return fed.length > 0;
  }

  /** The session is open: its tracks are connected, even if nothing has come yet. */
  begin(): void {
    this.made ??= this.makeReceiver();
  }

  missing(): CaptureTrack[] {
    const matched = new Set(this.matched.map(({ fed }) => fed));
    return this.options.tracks.filter((fed) => !matched.has(fed)).map(({ track }) => track);
  }

  /** Many devices send before they have answered PLAY: all media are known by then. */
  get receiver(): Receiver {
    this.begin();
    return this.made as Receiver;
  }

  private makeReceiver(): Receiver {
    const byNumber = new Map(this.matched.map(({ fed }) => [fed.number, fed.track]));
    const tracks: ReceivedTrack[] = this.matched.map(({ fed: { number, channel }, info }) => ({
      number,
      info,
      ...(channel === undefined ? {} : { channel }),
    }));
    const receiver = new Receiver({
      tracks,
      onUnit: (number, unit) => byNumber.get(number)?.unit(unit),
      onSound: (number, unit) => byNumber.get(number)?.sound(unit),
    });
    for (const { fed, info } of this.matched) this.connect(fed, info, receiver);
    return receiver;
  }

  private connect({ track, channel }: FedTrack, info: RtspTrackInfo, receiver: Receiver): void {
    const { codec } = this.options;
    const lastReport = () => receiver.lastReport(info.index);
    if (info.kind === "video") return track.connected({ lastReport });
    const aac = soundFormat(info);
    const openMeter = () => codec.meter({ onLevels: (levels) => track.addLevels(levels, 1) });
    if (receives(info, channel) === "passed") return track.connected({ lastReport, openMeter });
    const from = `${info.encoding}/${info.clockRate}${info.channels > 1 ? `/${info.channels}` : ""}`;
    const onUnit = (unit: AccessUnit) => track.unit(unit);
    if (aac) return track.connected({ lastReport, openMeter, encoding: codec.encodeAnew({ format: aac, channel, from, onUnit }) });
    track.connected({ lastReport, encoding: codec.encode({ rate: info.clockRate, from, onUnit }) });
  }
}
