import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Timer } from "@xiezhi/base/clock.ts";
import { writeDurably } from "@xiezhi/base/files.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { roomKeyName } from "@xiezhi/ledger/checkpoint.ts";
import { formatVerifierKey, type Signer, verifierOf } from "@xiezhi/ledger/note.ts";
import type { FromWorker, RecordOrder } from "@xiezhi/media/capture/wire.ts";
import { openRoomKey, sha256 } from "@xiezhi/media/signing.ts";
import { takeFolder } from "@xiezhi/media/spool/take-folder.ts";
import type { TakeSpoolOptions } from "@xiezhi/media/spool/take-spool.ts";
import type { InterruptionReason } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { AgentFolders } from "./agent-folders.ts";
import { takeLock } from "./agent-lock.ts";
import { CaptureTeam } from "./team/capture-team.ts";
import { LiveFan } from "./live-fan.ts";
import { OpenTake } from "./open-take.ts";
import { recordingErrors } from "./recording.errors.ts";
import type {
  Actor,
  LivePiece,
  Phase,
  RecordingOptions,
  RecordingStatus,
  RoomTrack,
  SoundLevel,
  SpooledTake,
  StartedTake,
  StartStep,
  StartTake,
  TakeMark,
  TrackStatus,
} from "./recording.model.ts";
import { findTakes } from "./spooled-takes.ts";
import { SpoolSpace } from "./spool-space.ts";
import { StartSteps } from "./start-steps.ts";
import { codecProcess, workerEnvironment } from "./team/worker-processes.ts";
import { trackStatus } from "./track-status.ts";

/** A take that was left open is gone on with if it was alive so recently; else it is ended (nobody expects it to run). */
const GO_ON_US = 3_600e6;
/** A take ends at 24 h, and another one goes on. */
const TAKE_MAX_US = 24 * 3_600e6;
/** Less free space is no place to begin a hearing. */
const SPACE_MIN_BYTES = 256 * 1024 * 1024;
const NOBODY: Actor = { userId: "", name: "" };

/**
 * The recording of one room: capture workers, takes, their spool and ledgers. One take runs at a time. It knows nothing of
 * rights, requests that repeat, or the hub: RoomService stands before it.
 */
export class Recording {
  private readonly options: RecordingOptions;
  private readonly team: CaptureTeam;
  private readonly fan: LiveFan;
  private readonly folders: AgentFolders;
  private readonly space: SpoolSpace;
  private readonly spooled = new Map<string, SpooledTake>();
  private readonly listeners = {
    status: new Set<() => void>(),
    levels: new Set<(levels: readonly SoundLevel[]) => void>(),
    entries: new Set<(takeId: string) => void>(),
  };
  private tracks: readonly RoomTrack[] = [];
  private take: OpenTake | undefined;
  private signer: Signer | undefined;
  private isWarm = false;
  private busy: "starting" | "ending" | undefined;
  private timer: Timer | undefined;
  private closed: Promise<void> | undefined;
  private unlock: (() => Promise<void>) | undefined;

  constructor(options: RecordingOptions) {
    this.options = options;
    const { clock, log, processes } = options;
    const folders = new AgentFolders(options.stateFolder);
    this.folders = folders;
    this.space = new SpoolSpace(folders.of("spool"), clock);
    this.fan = new LiveFan(() => this.team.live(this.fan.wanted));
    this.team = new CaptureTeam({
      clock,
      log,
      processes,
      socketPath: (name) => folders.socket(name),
      logFolder: folders.of("logs"),
      codecSocket: folders.socket("codec"),
      env: workerEnvironment(folders.of("cache")),
      onMessage: (message) => this.hear(message),
      onLive: (frame) => this.fan.receive(frame),
      onGone: (numbers) => {
        this.fan.lose(numbers);
        this.changed();
      },
    });
  }

  /** Takes the room's lock, adopts living workers, and goes on with a take that was left open (`restart` entry). Once, first. */
  async open(tracks: readonly RoomTrack[]): Promise<void> {
    const { siteId, roomId, clock, processes } = this.options;
    this.folders.make();
    this.unlock = await takeLock(this.folders.lock);
    this.signer = await openRoomKey(join(this.folders.of("keys"), "room.pem"), roomKeyName(siteId, roomId));
    this.setTracks(tracks);
    for (const take of findTakes(this.folders.of("spool"), this.options.log)) this.spooled.set(take.takeId, take);
    for (const left of [...this.spooled.values()].filter((take) => !take.ended)) await this.goOn(left);
    const logFile = join(this.folders.of("logs"), "codec.log");
    processes.start(codecProcess(this.folders.socket("codec"), logFile, workerEnvironment(this.folders.of("cache"))));
    this.lookAtSpace();
    this.team.start(this.take && this.orderOf(this.take));
    this.timer = clock.every(1_000, () => this.eachSecond());
  }

  /** New addresses (a driver opened or lost a device). Tracks keep number, id and kind for the life of the agent. */
  setTracks(tracks: readonly RoomTrack[]): void {
    this.tracks = [...tracks].sort((a, b) => a.number - b.number);
    this.team.setTracks(this.tracks);
    this.changed();
  }

  /** Warm: sources connected, one group of pictures in memory, nothing on disk. A running take is warm whatever is said here. */
  warm(on: boolean): void {
    if (on === this.isWarm) return;
    this.isWarm = on;
    this.team.warm(on);
    this.changed();
  }

  /**
   * Begins a take. Resolves when each track has its first durable parcel or after 4 s, whichever comes first: a dead camera
   * does not stop a hearing, it joins later. Throws RECORDING_BUSY when a take runs, RECORDING_SPOOL when nothing can be written.
   */
  async start(start: StartTake, onStep: (step: StartStep) => void): Promise<StartedTake> {
    if (this.take || this.busy) throw recordingErrors.busy();
    this.busy = "starting";
    this.changed();
    const sinceMs = () => (this.options.clock.monoUs() - start.pressedUs) / 1e3;
    const steps = new StartSteps(this.tracks, this.options.roomId, sinceMs, onStep);
    try {
      const take = await this.begin(start);
      steps.tell(this.options.roomId, "spool");
      await steps.wait(
        this.options.clock,
        (track) => ({ ...this.trackStatus(track), durable: take.spool.durableThroughUs(track.number) > 0 }),
        (look) => this.onStatus(look),
      );
      return { takeId: start.takeId, startedAtMs: take.summary.startedAtMs, buttonToFirstParcelMs: steps.firstParcelMs };
    } finally {
      this.busy = undefined;
      this.changed();
    }
  }

  /** Resolves when the interruption is durable: no unit that came after is in memory or on disk. Take time of it, microseconds. */
  async pause(pause: { reason: InterruptionReason; decidedBy: string; actor: Actor; requestId: string }): Promise<{ takeUs: number }> {
    const take = this.running();
    if (take.pausedAtUs !== undefined) throw recordingErrors.paused();
    this.fan.closeAll();
    const takeUs = await take.pause(pause, await this.team.pause());
    this.changed();
    return { takeUs };
  }

  /** Resolves when the end of the interruption is durable; pictures come back at their next key frame. */
  async resume(resume: { actor: Actor; requestId: string }): Promise<{ takeUs: number }> {
    const take = this.running();
    if (take.pausedAtUs === undefined) throw recordingErrors.notPaused();
    const takeUs = await take.resume(resume, await this.team.resume());
    this.changed();
    return { takeUs };
  }

  /** Resolves when the mark is durable. */
  async mark(mark: { type: string; text: string; actor: Actor; requestId: string }): Promise<TakeMark> {
    const made = await this.running().mark(mark);
    this.changed();
    return made;
  }

  /** Resolves when all is durable, the end entry written and the last checkpoint signed. */
  async end(end: { actor: Actor; requestId: string; reason: "pressed" | "24h" | "shutdown" }): Promise<{ lengthUs: number }> {
    const take = this.running();
    this.busy = "ending";
    this.changed();
    try {
      const { atUs, silent } = await this.team.stop();
      const lengthUs = await take.end(end, silent, atUs - take.spool.zeroUs);
      this.take = undefined;
      this.remember(take, true);
      return { lengthUs };
    } finally {
      this.busy = undefined;
      this.changed();
    }
  }

  /** The present truth. */
  status(): RecordingStatus {
    const { take } = this;
    return {
      phase: this.phase(),
      tracks: this.tracks.map((track) => this.trackStatus(track)),
      take: take?.summary,
      spoolFreeBytes: this.space.freeBytes,
      spoolBytesPerHour: this.space.bytesPerHour,
    };
  }

  /** Called on each change of status and once a second while sources run. Returns the way to stop it. */
  onStatus(listener: () => void): () => void {
    return listen(this.listeners.status, listener);
  }

  /** Ten times a second while at least one listener is there. */
  onLevels(listener: (levels: readonly SoundLevel[]) => void): () => void {
    if (this.listeners.levels.size === 0) this.team.levels(true);
    const stop = listen(this.listeners.levels, listener);
    return () => {
      stop();
      if (this.listeners.levels.size === 0) this.team.levels(false);
    };
  }

  /**
   * Chunks of these tracks as they come, the cached group of pictures first. A reader that does not keep up loses chunks up to
   * the next key frame. Ends at pause, at `close` and with the signal. Small: second streams where cameras have one.
   */
  watchLive(numbers: readonly number[], { small, signal }: { small: boolean; signal: AbortSignal }): AsyncIterable<LivePiece> {
    const paused = this.take?.pausedAtUs !== undefined;
    const wanted = this.tracks.filter((track) => !paused && numbers.includes(track.number));
    return this.fan.watch(
      wanted.map((track) => ({ number: track.number, small: small && track.small !== undefined })),
      signal,
    );
  }

  /** The room's public key as a C2SP verifier key line: what its ledgers are signed with. */
  get verifierKey(): string {
    if (!this.signer) throw new Error("the recording is not open");
    return formatVerifierKey(verifierOf(sha256, this.signer));
  }

  /** Takes in the spool that are not marked `uploaded`, oldest first. */
  takes(): readonly SpooledTake[] {
    return [...this.spooled.values()];
  }

  /** Called when a ledger has grown or a take has ended. Returns the way to stop it. */
  onEntries(listener: (takeId: string) => void): () => void {
    return listen(this.listeners.entries, listener);
  }

  /** The hub holds all of an ended take: it is not offered again. */
  async markUploaded(takeId: string): Promise<void> {
    const take = this.spooled.get(takeId);
    if (!take?.ended) return;
    await writeDurably(takeFolder.uploaded(take.folder), "");
    this.spooled.delete(takeId);
  }

  /** Pids of what runs, adopted ones too. */
  processList(): { name: string; pid: number }[] {
    const codec = this.options.processes.pid("codec");
    return [...this.team.pids(), ...(codec === undefined ? [] : [{ name: "codec", pid: codec }])];
  }

  /** Orderly: workers end and close their files, ledgers are signed. A running take stays open and is gone on with by the next agent. */
  close(): Promise<void> {
    this.closed ??= this.closeAll();
    return this.closed;
  }

  private async closeAll(): Promise<void> {
    this.timer?.cancel();
    this.fan.closeAll();
    await this.team.close();
    await this.take?.spool.close();
    await this.options.processes.stop("codec");
    await this.unlock?.();
  }

  private async begin(start: StartTake & { continuesTakeId?: string }): Promise<OpenTake> {
    const { clock, siteId, roomId, agentVersion } = this.options;
    this.lookAtSpace();
    if (this.space.freeBytes < SPACE_MIN_BYTES) throw recordingErrors.spool("ENOSPC");
    const oldestUs = await this.team.prepare();
    const zeroUs = Math.floor(Math.min(oldestUs ?? start.pressedUs, start.pressedUs));
    const options = this.spoolOptions(start.takeId);
    const origin = { siteId, roomId, agentVersion };
    const take = await OpenTake.begin(options, origin, start, this.tracks, zeroUs).catch((error: NodeJS.ErrnoException) => {
      rmSync(options.folder, { recursive: true, force: true });
      throw recordingErrors.spool(error.code ?? "?");
    });
    this.take = take;
    this.team.record({ takeId: start.takeId, folder: options.folder, t0Us: zeroUs, expectedFromUs: clock.monoUs() });
    this.remember(take, false);
    return take;
  }

  private async goOn(left: SpooledTake): Promise<void> {
    const take = await OpenTake.goOn(this.spoolOptions(left.takeId)).catch((error: unknown) => {
      this.options.log.error({ take: left.takeId, err: error }, "a take can't be gone on with");
    });
    if (!take) return;
    const stale = take.nowUs - take.lastSignUs > GO_ON_US;
    if (this.take || stale) {
      await take.end({ actor: NOBODY, requestId: "", reason: "shutdown" }, [], take.lastSignUs);
      return this.remember(take, true);
    }
    this.take = take;
    this.remember(take, false);
  }

  private orderOf(take: OpenTake): RecordOrder {
    const { takeId, folder, zeroUs } = take.spool;
    const order = { takeId, folder, t0Us: zeroUs, expectedFromUs: zeroUs + take.expectedFromUs };
    return take.pausedAtUs === undefined ? order : { ...order, pausedUs: zeroUs + take.pausedAtUs };
  }

  private spoolOptions(takeId: string): TakeSpoolOptions {
    const { clock, log } = this.options;
    if (!this.signer) throw new Error("the recording is not open");
    const onDurable = () => this.durable(takeId);
    return { folder: join(this.folders.of("spool"), takeId), takeId, signer: this.signer, clock, log, onDurable };
  }

  private durable(takeId: string): void {
    if (this.take?.spool.takeId !== takeId) return;
    this.remember(this.take, false);
    this.changed();
  }

  private remember(take: OpenTake, ended: boolean): void {
    const { takeId, folder, size } = take.spool;
    const known = this.spooled.get(takeId);
    this.spooled.set(takeId, { takeId, folder, size, ended });
    if (known?.size !== size || known.ended !== ended) for (const listener of this.listeners.entries) listener(takeId);
  }

  private hear(message: FromWorker): void {
    if (message.kind === "grown") this.take?.spool.collect();
    if (message.kind === "liveHeader") this.fan.announce(message.number, message.small, message.codec, message.timescale);
    if (message.kind === "state") this.changed();
    if (message.kind !== "levels") return;
    const levels = message.levels.map(([number, rmsDbfs, peakDbfs]) => ({ number, rmsDbfs, peakDbfs }));
    for (const listener of this.listeners.levels) listener(levels);
  }

  private trackStatus(track: RoomTrack): TrackStatus {
    return trackStatus(this.options.clock, track, this.team.report(track.number), this.take);
  }

  private phase(): Phase {
    if (this.busy) return this.busy;
    if (this.take) return this.take.pausedAtUs === undefined ? "recording" : "paused";
    return this.isWarm ? "warm" : "cold";
  }

  private running(): OpenTake {
    if (!this.take || this.busy === "ending") throw recordingErrors.idle();
    return this.take;
  }

  private changed(): void {
    for (const listener of this.listeners.status) listener();
  }

  private eachSecond(): void {
    this.lookAtSpace();
    const { take, busy } = this;
    const full = take && !busy && take.nowUs >= (this.options.takeMaxUs ?? TAKE_MAX_US);
    if (full && take.pausedAtUs === undefined)
      this.rollOver(take).catch((error) => this.options.log.error({ err: error }, "no take goes on"));
  }

  /** What the ring holds goes into the next take: no picture lies between the two. */
  private async rollOver(take: OpenTake): Promise<void> {
    const { start } = take.spool.model;
    const { hearingId, title, startedBy: actor, requestId } = take.summary;
    await this.end({ actor: NOBODY, requestId: "", reason: "24h" });
    this.busy = "starting";
    const { clock } = this.options;
    const goesOn = { hearingId, title, actor, requestId, unlisted: start?.unlisted ?? false, caseReferences: start?.caseReferences ?? [] };
    try {
      await this.begin({ ...goesOn, takeId: newId(clock), pressedUs: clock.monoUs(), continuesTakeId: take.spool.takeId });
    } finally {
      this.busy = undefined;
      this.changed();
    }
  }

  private lookAtSpace(): void {
    this.space.look(this.tracks.reduce((sum, track) => sum + (this.team.report(track.number)?.bytes ?? 0), 0));
  }
}

function listen<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
