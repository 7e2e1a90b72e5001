import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { create, fromJsonString, type Message, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { type Act, ActSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { actOf, objectIn } from "@xiezhi/rpc/access/rights.ts";
import type { Caller, RpcContext } from "@xiezhi/rpc/service.ts";
import { Wakeup } from "../room/streams.ts";

/** As many as fit well into one message. */
const BATCH = 100;
/** Who is not signed in can't fill the disk: the first of a minute stand for the rest. */
const STRANGERS_A_MINUTE = 60;

type NewAct = Pick<Act, "act" | "outcome" | "from"> & Partial<Pick<Act, "userId" | "login" | "objectId" | "requestId">>;

/** What was done at this room's own address, one line each on the room's disk until the hub's audit has it. */
export class Acts {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly file: string;
  private waiting: Act[] = [];
  private readonly listeners = new Set<() => void>();
  private writing: Promise<void> = Promise.resolve();
  private readonly told = new WeakSet<object>();
  private strangers = { minute: 0, count: 0 };

  constructor({ clock, log, file }: { clock: Clock; log: Log; file: string }) {
    this.clock = clock;
    this.log = log;
    this.file = file;
  }

  /** A line that a power cut tore is left out: what it said was not answered yet. */
  async open(): Promise<void> {
    const lines = ((await readIfThere(this.file)) ?? "").split("\n").filter((line) => line !== "");
    for (const line of lines)
      try {
        this.waiting.push(fromJsonString(ActSchema, line));
      } catch {
        this.log.warn({ file: this.file }, "a torn act is left out");
      }
    if (this.waiting.length < lines.length) await this.rewrite();
  }

  /** What a signed-in person did, or was refused. */
  of(context: Pick<RpcContext, "method" | "caller" | "from">, request: Message, outcome: string): Promise<void> {
    const { method, caller, from } = context;
    const requestId = (request as { requestId?: unknown }).requestId;
    return this.add({
      act: actOf(method),
      outcome,
      from,
      objectId: objectIn(method, request),
      requestId: typeof requestId === "string" ? requestId : "",
      ...whoIs(caller),
    });
  }

  /** A refusal, once, however many places it passes on its way out. */
  async refusal(context: Pick<RpcContext, "method" | "caller" | "from">, request: Message, error: unknown): Promise<void> {
    if (isXiezhiError(error) && this.told.has(error)) return;
    if (isXiezhiError(error)) this.told.add(error);
    await this.of(context, request, isXiezhiError(error) ? error.reason : "FAILED");
  }

  /** Somebody who is not signed in was kept out. */
  async stranger(act: NewAct): Promise<void> {
    const minute = Math.floor(this.clock.nowMs() / 60_000);
    if (this.strangers.minute !== minute) this.strangers = { minute, count: 0 };
    this.strangers.count += 1;
    if (this.strangers.count <= STRANGERS_A_MINUTE) await this.add(act);
  }

  async add(act: NewAct): Promise<void> {
    const made = create(ActSchema, { ...act, id: newId(this.clock), atMs: BigInt(this.clock.nowMs()) });
    this.waiting.push(made);
    await this.inTurn(() => this.append(`${toJsonString(ActSchema, made)}\n`));
    for (const listener of this.listeners) listener();
  }

  /** Those that the hub has not taken, oldest first, then each new one. */
  async *watch(signal: AbortSignal): AsyncGenerator<{ acts: Act[] }> {
    const said = new Set<string>();
    const wake = new Wakeup(signal);
    const listener = () => wake.now();
    this.listeners.add(listener);
    try {
      while (!signal.aborted) {
        const acts = this.waiting.filter(({ id }) => !said.has(id)).slice(0, BATCH);
        for (const { id } of acts) said.add(id);
        if (acts.length > 0) yield { acts };
        else await wake.wait();
      }
    } finally {
      this.listeners.delete(listener);
    }
  }

  async taken(ids: readonly string[]): Promise<void> {
    this.waiting = this.waiting.filter(({ id }) => !ids.includes(id));
    await this.inTurn(() => this.rewrite());
  }

  private async append(line: string): Promise<void> {
    await mkdir(dirname(this.file), { recursive: true });
    const handle = await open(this.file, "a", 0o600);
    try {
      await handle.write(line);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  private rewrite(): Promise<void> {
    return writeDurably(this.file, this.waiting.map((act) => `${toJsonString(ActSchema, act)}\n`).join(""));
  }

  /** A disk that is full must not stop what a room does: the ledger says who did it too. */
  private inTurn(write: () => Promise<void>): Promise<void> {
    this.writing = this.writing
      .then(write)
      .catch((error: unknown) => this.log.error({ err: error }, "an act could not be kept for the audit"));
    return this.writing;
  }
}

function whoIs(caller: Caller): Pick<Act, "userId" | "login"> {
  return caller.kind === "user" ? { userId: caller.userId, login: caller.login } : { userId: "", login: "" };
}
