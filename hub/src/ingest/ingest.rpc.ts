import type { Clock } from "@xiezhi/base/clock.ts";
import type { Store, TakeProgress } from "@xiezhi/media/store/store.ts";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { implement, type Implementation } from "@xiezhi/rpc/service.ts";

/** Changes of one moment are told together. */
const TOGETHER_MS = 100;
const CHUNK_ENTRIES = 1000;
const CHUNK_BYTES = 512 << 10;

/** What main learns of takes: how far they are, and their entries in order. */
export function ingestImplementation(store: Store, clock: Clock): Implementation {
  return implement(IngestService, {
    async *watchTakes(_request, { signal }) {
      const changed = new Set<string>();
      let news = false;
      let wake = () => {};
      const tell = () => {
        news = true;
        wake();
      };
      const stop = store.onChange((takeId) => {
        if (takeId !== undefined) changed.add(takeId);
        tell();
      });
      signal.addEventListener("abort", tell, { once: true });
      try {
        yield { takes: store.progress().map(progressMessage), ...trouble(store) };
        for (;;) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (news) resolve();
          });
          await clock.sleep(TOGETHER_MS, signal);
          news = false;
          const takes = [...changed].map((takeId) => store.progressOf(takeId)).filter((progress) => progress !== undefined);
          changed.clear();
          yield { takes: takes.map(progressMessage), ...trouble(store) };
        }
      } finally {
        stop();
      }
    },
    async *readEntries({ takeId, from }) {
      let first = Number(from);
      let entries: Uint8Array[] = [];
      let bytes = 0;
      for (const entry of store.read(takeId, first)) {
        entries.push(entry.bytes);
        bytes += entry.bytes.length;
        if (entries.length < CHUNK_ENTRIES && bytes < CHUNK_BYTES) continue;
        yield { first: BigInt(first), entries };
        first += entries.length;
        entries = [];
        bytes = 0;
      }
      if (entries.length > 0) yield { first: BigInt(first), entries };
    },
  });
}

function trouble(store: Store): { storeTrouble: string; storeTroubleSinceMs: bigint } {
  const { why, sinceMs } = store.troubleState;
  return { storeTrouble: why, storeTroubleSinceMs: BigInt(sinceMs) };
}

function progressMessage(progress: TakeProgress) {
  return {
    takeId: progress.takeId,
    siteId: progress.siteId,
    roomId: progress.roomId,
    ledgerSize: BigInt(progress.ledgerSize),
    parcelsKnown: BigInt(progress.parcelsKnown),
    parcelsHeld: BigInt(progress.parcelsHeld),
    parcelsLost: BigInt(progress.parcelsLost),
    segmentsFinished: BigInt(progress.segmentsFinished),
    segmentsTwice: BigInt(progress.segmentsTwice),
    heldThroughUs: BigInt(progress.heldThroughUs),
    heardAtMs: BigInt(progress.heardAtMs),
  };
}
