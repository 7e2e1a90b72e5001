import { create, type Message } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { type Act, ActSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { actOf, objectIn } from "@xiezhi/rpc/access/rights.ts";
import type { Caller, RpcContext } from "@xiezhi/rpc/service.ts";
import { Outbox } from "../memory/outbox.ts";
import { Wakeup } from "../room/streams.ts";

/** As many as fit well into one message. */
const BATCH = 100;
/** Who is not signed in can't fill the disk: the first of a minute stand for the rest. */
const STRANGERS_A_MINUTE = 60;

type NewAct = Pick<Act, "act" | "outcome" | "from"> & Partial<Pick<Act, "userId" | "login" | "objectId" | "requestId">>;

/** What was done at this room's own address, kept in the room until the hub's audit has it. */
export class Acts {
  private readonly clock: Clock;
  private readonly outbox: Outbox<typeof ActSchema>;
  private readonly told = new WeakSet<object>();
  private strangers = { minute: 0, count: 0 };

  constructor({ clock, log, folder }: { clock: Clock; log: Log; folder: string }) {
    this.clock = clock;
    this.outbox = new Outbox(ActSchema, folder, log);
  }

  open(): Promise<void> {
    return this.outbox.open();
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
    await this.outbox.add(made.id, made);
  }

  /** Those that the hub has not taken, oldest first, then each new one. */
  async *watch(signal: AbortSignal): AsyncGenerator<{ acts: Act[] }> {
    const said = new Set<string>();
    const wake = new Wakeup(signal);
    const unheard = this.outbox.onAdd(() => wake.now());
    try {
      while (!signal.aborted) {
        const acts = this.outbox
          .waiting()
          .filter(({ id }) => !said.has(id))
          .slice(0, BATCH);
        for (const { id } of acts) said.add(id);
        if (acts.length > 0) yield { acts };
        else await wake.wait();
      }
    } finally {
      unheard();
    }
  }

  taken(ids: readonly string[]): Promise<void> {
    return this.outbox.taken(ids);
  }

  close(): Promise<void> {
    return this.outbox.close();
  }
}

function whoIs(caller: Caller): Pick<Act, "userId" | "login"> {
  return caller.kind === "user" ? { userId: caller.userId, login: caller.login } : { userId: "", login: "" };
}
