import { readEntries } from "@xiezhi/media/ledger-file.ts";
import { IngestService, type TakeProgress, type WatchTakesResponseSchema } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, clientOf } from "@xiezhi/rpc/client.ts";
import { memoryLink } from "@xiezhi/rpc/memory.ts";
import { implement } from "@xiezhi/rpc/service.ts";

type Said = MessageInitShape<typeof WatchTakesResponseSchema>;

export interface FakeIngest {
  client: Client<typeof IngestService>;
  /** Tells of a take whose ledger lies in this file; `size` entries of it are there, all where absent. */
  tell(ledger: string, progress: Partial<TakeProgress> & { takeId: string }, size?: number): void;
  /** Ends every call, as a killed process does; it can be called again at once. */
  kill(): void;
  reads: { takeId: string; from: number }[];
}

/** Ingest's side of the socket over real ledgers, handing out few entries at a time. */
export function startIngest(): FakeIngest {
  const takes = new Map<string, { ledger: string; size: number; progress: MessageInitShape<typeof WatchTakesResponseSchema>["takes"] }>();
  let killed = new AbortController();
  const queues = new Set<(said: Said) => void>();
  const reads: FakeIngest["reads"] = [];
  const service = implement(IngestService, {
    async *watchTakes() {
      const end = killed.signal;
      const waiting: Said[] = [{ takes: [...takes.values()].flatMap(({ progress }) => progress ?? []) }];
      let wake = () => {};
      const hear = (said: Said) => {
        waiting.push(said);
        wake();
      };
      queues.add(hear);
      end.addEventListener("abort", () => wake());
      while (!end.aborted) {
        const said = waiting.shift();
        if (said) yield said;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
      queues.delete(hear);
      throw new Error("killed");
    },
    async *watchAlarms() {
      // None: alarms are tested with the real store.
      yield { alarms: [] };
    },
    async *readEntries({ takeId, from }) {
      const take = takes.get(takeId);
      reads.push({ takeId, from: Number(from) });
      let entries: Uint8Array[] = [];
      let first = Number(from);
      for (const { index, bytes } of readEntries(take?.ledger ?? "")) {
        if (index < Number(from) || index >= (take?.size ?? 0)) continue;
        entries.push(bytes);
        if (entries.length < 7) continue;
        yield { first: BigInt(first), entries };
        first += entries.length;
        entries = [];
      }
      if (entries.length > 0) yield { first: BigInt(first), entries };
    },
  });
  const door = { authenticate: async () => ({ kind: "program" as const, name: "hub" }), authorize: async () => {} };
  return {
    client: clientOf(IngestService, memoryLink([service], door)),
    reads,
    tell(ledger, progress, size) {
      const known = size ?? [...readEntries(ledger)].length;
      const said = [{ ...progress, ledgerSize: BigInt(known) }] as NonNullable<Said["takes"]>;
      takes.set(progress.takeId, { ledger, size: known, progress: said });
      for (const hear of queues) hear({ takes: said });
    },
    kill() {
      killed.abort();
      killed = new AbortController();
    },
  };
}
