import { create, fromJson, fromJsonString, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { DeviceError, type OpenDevice } from "@xiezhi/drivers/driver.ts";
import { isXiezhiError, type XiezhiError } from "@xiezhi/protos/errors.ts";
import {
  type Command,
  CommandOutcome,
  type CommandResult,
  CommandResultSchema,
  CommandSchema,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { invalidOf } from "@xiezhi/rpc/gate.ts";
import { errors } from "./devices.errors.ts";
import type { Devices } from "./devices.part.ts";

const DEFAULT_TTL_MS = 5_000;
/** The contract's longest ttl, twice: a repeated id is known at least as long as anybody may repeat it. */
const REMEMBERED_MS = 2 * 60_000;
const MOST_WAITING = 16;

interface Remembered {
  /** UTC ms; the file outlives a boot, so no monotonic time stands in it. */
  atMs: number;
  /** Absent while the device is doing it. */
  result?: JsonValue;
}

export interface CommandsOptions {
  clock: Clock;
  log: Log;
  /** Which ids were begun and how they came out, over restarts. */
  file: string;
  devices: Pick<Devices, "obeying">;
  /** Each command once, with its answer, before anybody hears of it: for the audit. */
  answered(deviceId: string, command: Command, result: CommandResult): Promise<void>;
}

/** Every command to a device of the room, whoever sent it: each id at most once, one after the other on each device, always answered. */
export class Commands {
  private readonly options: CommandsOptions;
  private known = new Map<string, Remembered>();
  private readonly running = new Map<string, Promise<CommandResult>>();
  private readonly queues = new Map<string, { last: Promise<unknown>; waiting: number }>();
  private saving: Promise<void> = Promise.resolve();

  constructor(options: CommandsOptions) {
    this.options = options;
  }

  /** What cannot be read is begun anew: a lost memory must not stop the room. */
  async open(): Promise<void> {
    try {
      const text = await readIfThere(this.options.file);
      if (text !== undefined) this.known = new Map(Object.entries(JSON.parse(text) as Record<string, Remembered>));
    } catch (error) {
      this.options.log.error({ err: error }, "which commands were done could not be read");
    }
  }

  /** A command as it came over MQTT, proto3 JSON. One that can't be read or breaks a rule is answered like any other. */
  async submitJson(deviceId: string, text: string): Promise<CommandResult> {
    const arrivedUs = this.options.clock.monoUs();
    let command = create(CommandSchema);
    try {
      command = fromJsonString(CommandSchema, text);
    } catch (error) {
      return this.resultOf("", arrivedUs, errors.notUnderstood((error as Error).message));
    }
    const refusal = invalidOf(CommandSchema, command);
    return refusal ? this.resultOf(command.id.slice(0, 36), arrivedUs, refusal) : this.submit(deviceId, command);
  }

  /** Never rejects: what went wrong stands in the result. The same id hears the same answer. */
  submit(deviceId: string, command: Command): Promise<CommandResult> {
    const begun = this.running.get(command.id);
    if (begun) return begun;
    const known = this.known.get(command.id);
    if (known) return Promise.resolve(this.remembered(command, known));
    const doing = this.inTurn(deviceId, command)
      .then(async (result) => {
        await this.options.answered(deviceId, command, result);
        return result;
      })
      .finally(() => this.running.delete(command.id));
    this.running.set(command.id, doing);
    return doing;
  }

  private remembered({ id }: Command, { result }: Remembered): CommandResult {
    if (result !== undefined) return fromJson(CommandResultSchema, result, { ignoreUnknownFields: true });
    return this.resultOf(id, this.options.clock.monoUs(), errors.unconfirmed());
  }

  private async inTurn(deviceId: string, command: Command): Promise<CommandResult> {
    const arrivedUs = this.options.clock.monoUs();
    const queue = this.queues.get(deviceId) ?? { last: Promise.resolve(), waiting: 0 };
    this.queues.set(deviceId, queue);
    if (queue.waiting >= MOST_WAITING) return this.resultOf(command.id, arrivedUs, errors.full());
    queue.waiting += 1;
    const before = queue.last;
    const mine = before.then(() => this.perform(deviceId, command, arrivedUs));
    queue.last = mine;
    try {
      return await mine;
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.queues.delete(deviceId);
    }
  }

  private async perform(deviceId: string, command: Command, arrivedUs: number): Promise<CommandResult> {
    const ttlMs = command.ttlMs || DEFAULT_TTL_MS;
    try {
      if (this.options.clock.monoUs() - arrivedUs > ttlMs * 1e3) throw errors.expired(ttlMs);
      const act = this.actOf(deviceId, command);
      await this.remember(command.id, { atMs: this.options.clock.nowMs() });
      await act();
      return await this.settled(this.resultOf(command.id, arrivedUs));
    } catch (error) {
      return this.settled(this.resultOf(command.id, arrivedUs, this.refusalOf(deviceId, error)));
    }
  }

  /** What is to be done, once all that can be refused without asking the device has been. */
  private actOf(deviceId: string, { what }: Command): () => Promise<void> {
    const device = this.options.devices.obeying(deviceId);
    if (!device) throw errors.noDevice(deviceId);
    const { open, reason } = device;
    if (!open) throw errors.away(reason);
    switch (what.case) {
      case "recallPreset":
        return recallPreset(open, what.value.token);
      case "requestKeyFrame":
        return controlOf(open, "keyFrame").request;
      default:
        throw errors.noCapability("", Object.keys(open.controls));
    }
  }

  private refusalOf(deviceId: string, error: unknown): XiezhiError {
    if (isXiezhiError(error)) return error;
    if (error instanceof DeviceError) return error.kind === "away" ? errors.away(error.message) : errors.failed(error.message);
    this.options.log.error({ err: error, device: deviceId }, "a command broke its driver");
    return errors.failed("the driver failed");
  }

  private resultOf(id: string, arrivedUs: number, refusal?: XiezhiError): CommandResult {
    const { clock } = this.options;
    return create(CommandResultSchema, {
      id,
      outcome: refusal ? outcomeOf(refusal) : CommandOutcome.DONE,
      atMs: BigInt(clock.nowMs()),
      tookMs: Math.round((clock.monoUs() - arrivedUs) / 1e3),
      ...(refusal && { reason: refusal.reason, zh: refusal.zh, en: refusal.en }),
    });
  }

  private async settled(result: CommandResult): Promise<CommandResult> {
    await this.remember(result.id, { atMs: Number(result.atMs), result: toJson(CommandResultSchema, result) });
    return result;
  }

  /** Durable before the device is asked and before anybody is answered. A disk that takes nothing doesn't stop the device. */
  private remember(id: string, entry: Remembered): Promise<void> {
    const oldest = this.options.clock.nowMs() - REMEMBERED_MS;
    for (const [key, { atMs }] of this.known) if (atMs < oldest) this.known.delete(key);
    this.known.set(id, entry);
    this.saving = this.saving
      .then(() => writeDurably(this.options.file, JSON.stringify(Object.fromEntries(this.known))))
      .catch((error: unknown) => this.options.log.error({ err: error }, "which commands were done is not on disk"));
    return this.saving;
  }
}

function controlOf<K extends keyof OpenDevice["controls"]>(open: OpenDevice, name: K): NonNullable<OpenDevice["controls"][K]> {
  const control = open.controls[name];
  if (!control) throw errors.noCapability(name, Object.keys(open.controls));
  return control;
}

function recallPreset(open: OpenDevice, token: string): () => Promise<void> {
  const presets = controlOf(open, "presets");
  const known = (open.facts.presets ?? []).map((preset) => preset.token);
  if (!known.includes(token)) throw errors.noPreset(token, known);
  return () => presets.recall(token);
}

function outcomeOf({ code }: XiezhiError): CommandOutcome {
  if (code === "DEADLINE_EXCEEDED") return CommandOutcome.EXPIRED;
  return ["UNAVAILABLE", "ABORTED", "UNKNOWN"].includes(code) ? CommandOutcome.FAILED : CommandOutcome.REFUSED;
}
