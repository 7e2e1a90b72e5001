import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Log } from "@xiezhi/base/log.ts";
import type { Store } from "@xiezhi/media/store/store.ts";
import type { StoredTake } from "@xiezhi/media/store/stored-take.ts";
import { isTransient, isXiezhiError, XiezhiError } from "@xiezhi/protos/errors.ts";
import {
  type SendEntriesRequest,
  type SendEntriesRequest_Batch,
  type SendEntriesResponseSchema,
  type SendParcelsRequest,
  type SendParcelsResponseSchema,
  UplinkService,
} from "@xiezhi/protos/gen/xiezhi/media/v1/media_pb.js";
import { rpcErrors } from "@xiezhi/rpc/rpc.errors.ts";
import { type Caller, implement, type Implementation, type RpcContext } from "@xiezhi/rpc/service.ts";
import { ingestErrors } from "./ingest.errors.ts";
import { Outbox } from "./outbox.ts";
import type { Refusals } from "./refusals.ts";

type EntriesAnswer = MessageInitShape<typeof SendEntriesResponseSchema>;
type ParcelsAnswer = MessageInitShape<typeof SendParcelsResponseSchema>;

interface RoomId {
  siteId: string;
  roomId: string;
}

/** A note is some 250 bytes; with a few cosignatures it is still less than this. */
const NOTE_MAX_BYTES = 4096;
/** Parcels of one stream that are being written at a time. */
const PLACING_MAX = 64;

/** What agents bring: entries in order, bytes in any order; both are answered when they are synced. */
export function uplinkImplementation(store: Store, refusals: Refusals, log: Log): Implementation {
  // A parcel's stream does not carry the key: takes are known from the entries' stream of the same room.
  const keys = new Map<string, string>();
  const takeOf = async (takeId: string, room: RoomId): Promise<StoredTake> => {
    const key = keys.get(keyOf(room));
    if (key === undefined) throw ingestErrors.notOpen(takeId);
    return store.take(takeId, room, key);
  };

  async function answerEntries({ what }: SendEntriesRequest, room: RoomId, opened: Set<string>): Promise<EntriesAnswer> {
    if (what.case === undefined) throw ingestErrors.nothing();
    const { takeId } = what.value;
    if (what.case === "open") {
      const take = await store.take(takeId, room, what.value.verifierKey);
      keys.set(keyOf(room), what.value.verifierKey);
      opened.add(takeId);
      return { takeId, size: BigInt(take.ledger.size), held: take.pieces.heldRanges().map(bigRange) };
    }
    if (!opened.has(takeId)) throw ingestErrors.notOpen(takeId);
    return { takeId, size: BigInt(await append(await takeOf(takeId, room), what.value)) };
  }

  async function append(take: StoredTake, { first, entries, checkpoints }: SendEntriesRequest_Batch): Promise<number> {
    // Our size is the truth: the agent goes on from there.
    if (Number(first) > take.ledger.size) return take.ledger.size;
    return store.append(take, Number(first), entries, checkpoints.filter(({ length }) => length <= NOTE_MAX_BYTES).map(textOf));
  }

  async function* sendEntries(requests: AsyncIterable<SendEntriesRequest>, { caller }: RpcContext): AsyncGenerator<EntriesAnswer> {
    const room = roomOf(caller);
    const opened = new Set<string>();
    for await (const request of requests) {
      const takeId = request.what.value?.takeId ?? "";
      const step = request.what.case ?? "";
      try {
        const answer = await answerEntries(request, room, opened);
        refusals.accepted(room, takeId, step);
        yield answer;
      } catch (error) {
        if (!isXiezhiError(error) || isTransient(error)) throw error;
        refusals.refused(room, takeId, step, error);
        throw named(error, takeId);
      }
    }
  }

  async function* sendParcels(requests: AsyncIterable<SendParcelsRequest>, { caller, signal }: RpcContext): AsyncGenerator<ParcelsAnswer> {
    const room = roomOf(caller);
    const outbox = new Outbox(signal);
    const seen = new Set<string>();
    const stop = store.onTwice((takeId, indices) => seen.has(takeId) && outbox.held(takeId, indices, 2));
    const placing = placeEach(requests, room, outbox, seen);
    try {
      yield* outbox.answers();
    } finally {
      stop();
    }
    await placing;
  }

  async function placeEach(requests: AsyncIterable<SendParcelsRequest>, room: RoomId, outbox: Outbox, seen: Set<string>): Promise<void> {
    const placing = new Set<Promise<void>>();
    try {
      for await (const request of requests) {
        seen.add(request.takeId);
        const one = place(request, room, outbox).finally(() => placing.delete(one));
        placing.add(one);
        if (placing.size >= PLACING_MAX) await Promise.race(placing);
      }
      await Promise.all(placing);
      outbox.end();
    } catch (error) {
      outbox.fail(error);
    }
  }

  async function place({ takeId, what, data }: SendParcelsRequest, room: RoomId, outbox: Outbox): Promise<void> {
    const index = Number(what.value ?? -1);
    try {
      await store.place(await takeOf(takeId, room), index, what.case === "header", data);
      outbox.held(takeId, [index], 1);
    } catch (error) {
      if (!isXiezhiError(error)) throw error;
      const again = isTransient(error) || error.code === "FAILED_PRECONDITION";
      log.warn({ takeId, index, reason: error.reason, again }, "bytes are not taken");
      outbox.refused(takeId, { index: BigInt(index), reason: error.reason, again });
    }
  }

  return implement(UplinkService, { sendEntries, sendParcels });
}

/** The room learns which of its takes is refused: the others go on. */
function named({ code, reason, zh, en, details }: XiezhiError, takeId: string): XiezhiError {
  return new XiezhiError({ code, reason, zh, en, details: { ...details, takeId } });
}

function roomOf(caller: Caller): RoomId {
  if (caller.kind !== "program" || caller.siteId === undefined || caller.roomId === undefined) throw rpcErrors.programsOnly();
  return { siteId: caller.siteId, roomId: caller.roomId };
}

function keyOf({ siteId, roomId }: RoomId): string {
  return `${siteId}/${roomId}`;
}

function bigRange({ from, to }: { from: number; to: number }): { from: bigint; to: bigint } {
  return { from: BigInt(from), to: BigInt(to) };
}

function textOf(note: Uint8Array): string {
  return new TextDecoder().decode(note);
}
