import type { Clock } from "@xiezhi/base/clock.ts";
import type { Store, TakeProgress } from "@xiezhi/media/store/store.ts";
import type { Standing } from "@xiezhi/media/store/trouble.ts";
import { AlarmReason } from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { IngestService } from "@xiezhi/protos/gen/xiezhi/ingest/v1/ingest_pb.js";
import { type Refusal, type Refusals } from "./refusals.ts";
import { implement, type Implementation } from "@xiezhi/rpc/service.ts";

/** Changes of one moment are told together. */
const TOGETHER_MS = 100;
const CHUNK_ENTRIES = 1000;
const CHUNK_BYTES = 512 << 10;

/** What main learns of takes: how far they are, and their entries in order. */
export function ingestImplementation(store: Store, refusals: Refusals, clock: Clock): Implementation {
  return implement(IngestService, {
    async *watchTakes(_request, { signal }) {
      const changed = new Set(store.progress().map(({ takeId }) => takeId));
      const listen = (tell: () => void) =>
        store.onChange((takeId) => {
          if (takeId === undefined) return;
          changed.add(takeId);
          tell();
        });
      for await (const _ of moments(listen, clock, signal)) {
        const takes = [...changed].map((takeId) => store.progressOf(takeId)).filter((progress) => progress !== undefined);
        changed.clear();
        yield { takes: takes.map(progressMessage) };
      }
    },
    async *watchAlarms(_request, { signal }) {
      const listen = (tell: () => void) => {
        const stops = [store.onChange((takeId) => takeId === undefined && tell()), refusals.onChange(tell)];
        return () => stops.forEach((stop) => stop());
      };
      for await (const _ of moments(listen, clock, signal))
        yield { alarms: [...store.alarms.map(alarmMessage), ...refusals.all.map(refusalMessage)] };
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

/** Yields at once, then after changes; those of one moment count as one. Throws when the signal says so. */
async function* moments(listen: (tell: () => void) => () => void, clock: Clock, signal: AbortSignal): AsyncGenerator<void> {
  let news = false;
  let wake = () => {};
  const tell = () => {
    news = true;
    wake();
  };
  const stop = listen(tell);
  signal.addEventListener("abort", tell, { once: true });
  try {
    for (;;) {
      news = false;
      yield;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (news) resolve();
      });
      await clock.sleep(TOGETHER_MS, signal);
    }
  } finally {
    stop();
  }
}

function alarmMessage({ alarm, subject, why, sinceMs }: Standing) {
  return { reason: AlarmReason[alarm], subject, why, sinceMs: BigInt(sinceMs) };
}

function refusalMessage({ siteId, roomId, takeId, reason, sinceMs }: Refusal) {
  return { reason: AlarmReason.LEDGER_REFUSED, subject: takeId, siteId, roomId, why: reason, sinceMs: BigInt(sinceMs) };
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
