import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SendParcelsResponse_RefusedSchema, SendParcelsResponseSchema } from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";

type Refused = MessageInitShape<typeof SendParcelsResponse_RefusedSchema>;

/** Answers that wait to be sent: what was synced in one round goes out in one message. */
export class Outbox {
  private readonly waiting = new Map<string, { takeId: string; copies: number; held: bigint[]; refused: Refused[] }>();
  private wake: () => void = () => {};
  private over: { error?: unknown } | undefined;

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.end(), { once: true });
  }

  held(takeId: string, indices: readonly number[], copies: number): void {
    this.answer(takeId, copies).held.push(...indices.map(BigInt));
  }

  refused(takeId: string, refused: Refused): void {
    this.answer(takeId, 1).refused.push(refused);
  }

  /** What waits is still sent. */
  end(): void {
    this.over ??= {};
    this.wake();
  }

  fail(error: unknown): void {
    this.over ??= { error };
    this.wake();
  }

  async *answers(): AsyncGenerator<MessageInitShape<typeof SendParcelsResponseSchema>> {
    for (;;) {
      for (const [key, answer] of this.waiting) {
        this.waiting.delete(key);
        yield answer;
      }
      if (this.waiting.size > 0) continue;
      if (this.over) break;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.over.error !== undefined) throw this.over.error;
  }

  private answer(takeId: string, copies: number) {
    const key = `${takeId}/${copies}`;
    const answer = this.waiting.get(key) ?? { takeId, copies, held: [], refused: [] };
    this.waiting.set(key, answer);
    this.wake();
    return answer;
  }
}
