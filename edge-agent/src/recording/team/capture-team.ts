import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { CARRIES_MEDIA, type Processes } from "@xiezhi/base/processes.ts";
import type { FromWorker, LiveFrame, RecordOrder, SourceSpec, ToWorker, TrackReport, TrackTick } from "@xiezhi/media/capture/wire.ts";
import { CaptureWorker } from "@xiezhi/media/capture/worker.client.ts";
import { Keeper } from "./keeper.ts";
import type { RoomTrack } from "../recording.model.ts";
import { devicesOfWorkers, sourcesOf } from "./team-sources.ts";

const WORKER_PROGRAM = fileURLToPath(import.meta.resolve("@xiezhi/media/capture/worker.main.ts"));

const RETRY_MS = 1_000;

export interface CaptureTeamOptions {
  clock: Clock;
  log: Log;
  processes: Processes;
  /** Where a process's socket is, by name. */
  socketPath(name: string): string;
  logFolder: string;
  /** Environment of the workers. */
  env: Record<string, string>;
  codecSocket: string;
  onMessage(message: FromWorker): void;
  onLive(frame: LiveFrame): void;
  /** A worker is gone; these tracks were its. */
  onGone(numbers: readonly number[]): void;
}

interface Member {
  id: string;
  devices: ReadonlySet<string>;
  numbers: number[];
  sources: SourceSpec[];
  keeper: Keeper;
  worker: CaptureWorker | undefined;
}

/** The capture workers of a room. Whoever of them comes late or comes back is told what the others were told. */
export class CaptureTeam {
  private readonly options: CaptureTeamOptions;
  private members: Member[] = [];
  private readonly reports = new Map<number, TrackReport>();
  private warmth = false;
  private metering = false;
  private wanted: { main: number[]; small: number[] } = { main: [], small: [] };
  private order: RecordOrder | undefined;

  constructor(options: CaptureTeamOptions) {
    this.options = options;
  }

  /** The first call decides how many workers there are. */
  setTracks(tracks: readonly RoomTrack[]): void {
    if (this.members.length === 0)
      this.members = devicesOfWorkers(tracks).map((devices, index) => this.makeMember(`w${index + 1}`, devices));
    for (const member of this.members) {
      const own = tracks.filter((track) => member.devices.has(track.deviceId));
      member.numbers = own.map((track) => track.number);
      member.sources = sourcesOf(own);
      this.configure(member);
    }
  }

  /** `order`: a take to go on with. */
  start(order: RecordOrder | undefined): void {
    this.order = order;
    for (const member of this.members) member.keeper.start();
  }

  report(number: number): TrackReport | undefined {
    return this.reports.get(number);
  }

  pids(): { name: string; pid: number }[] {
    return this.members.flatMap(({ id, worker }) => (worker ? [{ name: `capture-${id}`, pid: worker.hello.pid }] : []));
  }

  warm(on: boolean): void {
    this.warmth = on;
    this.tell({ kind: "warm", on });
  }

  levels(on: boolean): void {
    this.metering = on;
    this.tell({ kind: "levels", on });
  }

  live(wanted: { main: number[]; small: number[] }): void {
    this.wanted = wanted;
    this.tell({ kind: "live", ...wanted });
  }

  /** The instant of the oldest picture that the take can begin with, monotonic microseconds; undefined: no source has one. */
  async prepare(): Promise<number | undefined> {
    const answers = await Promise.all(this.present().map((worker) => worker.ask({ kind: "prepare" }).catch(() => undefined)));
    const oldest = answers.flatMap((answer) => answer?.oldestUs ?? []);
    return oldest.length > 0 ? Math.min(...oldest) : undefined;
  }

  record(order: RecordOrder): void {
    this.order = order;
    for (const worker of this.present()) void this.recordBy(worker, order.takeId);
  }

  /** A worker that can't begin, because the disk is full, is asked again as long as the take runs. */
  private async recordBy(worker: CaptureWorker, takeId: string): Promise<void> {
    while (this.order?.takeId === takeId && this.present().includes(worker)) {
      try {
        return void (await worker.ask({ kind: "record", ...this.order }));
      } catch (error) {
        this.failed("record", error);
        await this.options.clock.sleep(RETRY_MS);
      }
    }
  }

  /** When all have stopped keeping anything (monotonic microseconds), and where their tracks end. */
  async pause(): Promise<{ atUs: number; at: TrackTick[] }> {
    const nowUs = this.options.clock.monoUs();
    if (this.order) this.order = { ...this.order, pausedUs: nowUs };
    const answers = await this.askAll((worker) => worker.ask({ kind: "pause" }));
    return { atUs: Math.max(nowUs, ...answers.map(({ atUs }) => atUs)), at: answers.flatMap(({ at }) => at) };
  }

  async resume(): Promise<{ atUs: number; at: TrackTick[] }> {
    const nowUs = this.options.clock.monoUs();
    if (this.order) {
      const { pausedUs: _, ...order } = this.order;
      this.order = { ...order, expectedFromUs: nowUs };
    }
    const answers = await this.askAll((worker) => worker.ask({ kind: "resume" }));
    return { atUs: Math.min(...answers.map(({ atUs }) => atUs), this.options.clock.monoUs()), at: answers.flatMap(({ at }) => at) };
  }

  /** When the take ended (monotonic microseconds), before its last sound was encoded, and which tracks no worker was there for to stop. */
  async stop(): Promise<{ atUs: number; silent: number[] }> {
    const nowUs = this.options.clock.monoUs();
    this.order = undefined;
    const stopped = await this.askAll((worker) => worker.ask({ kind: "stop" }));
    const numbers = new Set(stopped.flatMap(({ at }) => at.map(({ number }) => number)));
    const silent = this.members.flatMap((member) => member.numbers.filter((number) => !numbers.has(number)));
    return { atUs: Math.max(nowUs, ...stopped.map(({ atUs }) => atUs)), silent };
  }

  /** Workers close their files and end. */
  async close(): Promise<void> {
    const stopped = this.members.map(({ keeper }) => keeper.stop());
    this.tell({ kind: "end" });
    await Promise.all(stopped);
  }

  /** One that does not answer must not go on writing what it was told to stop: it is killed, and started again. */
  private async askAll<T>(ask: (worker: CaptureWorker) => Promise<T>): Promise<T[]> {
    const answers = await Promise.all(
      this.present().map(async (worker) => {
        try {
          return [await ask(worker)];
        } catch (error) {
          this.failed("order", error);
          kill(worker.hello.pid);
          return [];
        }
      }),
    );
    return answers.flat();
  }

  private makeMember(id: string, devices: readonly string[]): Member {
    const { clock, log, processes, logFolder, env } = this.options;
    const socketPath = this.options.socketPath(id);
    const args = [...CARRIES_MEDIA, WORKER_PROGRAM, "--id", id, "--socket", socketPath, "--log", join(logFolder, `capture-${id}.log`)];
    const spec = { name: `capture-${id}`, command: process.execPath, args, env };
    const attach = () => this.attach(member, socketPath);
    const keeper = new Keeper({ spec, clock, log, processes, attach });
    const member: Member = { id, devices: new Set(devices), numbers: [], sources: [], keeper, worker: undefined };
    return member;
  }

  private async attach(member: Member, socketPath: string): Promise<{ closed: Promise<void> }> {
    const closed = Promise.withResolvers<void>();
    const worker = await CaptureWorker.connect(socketPath, this.options.clock, {
      onMessage: (message) => this.hear(message),
      onLive: (frame) => this.options.onLive(frame),
      onGone: () => {
        member.worker = undefined;
        for (const number of member.numbers) this.reports.delete(number);
        this.options.onGone(member.numbers);
        closed.resolve();
      },
    });
    member.worker = worker;
    this.brief(member, worker);
    return { closed: closed.promise };
  }

  /** All that a worker must know; one that was adopted knows most of it and changes nothing. */
  private brief(member: Member, worker: CaptureWorker): void {
    this.configure(member);
    worker.send({ kind: "warm", on: this.warmth });
    worker.send({ kind: "levels", on: this.metering });
    worker.send({ kind: "live", ...this.wanted });
    const { take } = worker.hello;
    const { order } = this;
    if (take && take.takeId !== order?.takeId) worker.send({ kind: "stop" });
    if (!order) return;
    if (take?.takeId !== order.takeId) void this.recordBy(worker, order.takeId);
    else if (take.paused !== (order.pausedUs !== undefined)) worker.send({ kind: take.paused ? "resume" : "pause" });
  }

  private configure({ worker, sources }: Member): void {
    worker?.send({ kind: "configure", sources, codecSocket: this.options.codecSocket });
  }

  private hear(message: FromWorker): void {
    if (message.kind === "state") for (const report of message.tracks) this.reports.set(report.number, report);
    if (message.kind === "failed") this.options.log.error({ order: message.order, reason: message.reason }, "a capture worker can't obey");
    this.options.onMessage(message);
  }

  private present(): CaptureWorker[] {
    return this.members.flatMap(({ worker }) => worker ?? []);
  }

  private tell(order: ToWorker): void {
    for (const worker of this.present()) worker.send(order);
  }

  private failed(order: string, error: unknown): void {
    this.options.log.error({ err: error, order }, "a capture worker did not answer");
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already: that is what was wanted.
  }
}
