import { clone, create } from "@bufbuild/protobuf";
import {
  type Copies,
  CopiesSchema,
  type ListTakesRequest,
  ReadingCopySchema,
  ReadingCopyState,
  type Take,
  TakeSchema,
  type WatchTakeResponse,
} from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { TakeLinkSchema } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import type { Call } from "../../platform/call.ts";
import type { Platform } from "../../platform/module.ts";
import { paged, pageOf } from "../../platform/paging.ts";
import type { HearingsService } from "../hearings/hearings.service.ts";
import { errors } from "./takes.errors.ts";
import { mediaBaseOf } from "./takes.projection.ts";
import { type Progress, type Projector, takeTopic } from "./takes.projector.ts";
import type { Projected, TakesStore } from "./takes.store.ts";

/** Takes as they are shown: what the ledger told, what ingest holds of it, which hearings it is linked to. Writes nothing. */
export class TakesService {
  private readonly platform: Platform;
  private readonly store: TakesStore;
  private readonly hearings: HearingsService;
  private readonly projector: Projector;

  constructor(platform: Platform, store: TakesStore, hearings: HearingsService, projector: Projector) {
    this.platform = platform;
    this.store = store;
    this.hearings = hearings;
    this.projector = projector;
  }

  async get(id: string): Promise<Take> {
    const found = await this.store.get(undefined, id);
    if (!found) throw errors.notFound();
    return this.shown(found);
  }

  async *watch(id: string, signal: AbortSignal): AsyncGenerator<Pick<WatchTakeResponse, "take">> {
    for await (const _ of this.platform.hints.watch([takeTopic(id)], signal)) yield { take: await this.get(id) };
  }

  async list(siteIds: readonly string[], request: ListTakesRequest): Promise<{ takes: Take[]; nextPageToken: string }> {
    const page = pageOf(request);
    const found = await this.store.list(siteIds, { roomId: request.roomId, ids: await this.idsLinked(siteIds, request) }, page);
    const { rows, nextPageToken } = paged(page, found, ({ take }) => take.id);
    const takes = await Promise.all(rows.map((row) => this.shown(row)));
    return { takes: takes.map((take) => create(TakeSchema, { ...take, marks: [], gaps: [], spans: [] })), nextPageToken };
  }

  /** One audit row for each playback; the media themselves are served under the same right. */
  async play(call: Call, takeId: string): Promise<{ mediaBase: string }> {
    const { siteId } = await this.get(takeId);
    return this.platform.change(call, { id: takeId, siteId }, async () => ({ mediaBase: mediaBaseOf(takeId) }));
  }

  private async idsLinked(siteIds: readonly string[], { hearingId, caseId }: ListTakesRequest): Promise<string[] | undefined> {
    if (hearingId === "" && caseId === "") return undefined;
    const ofCase = caseId === "" ? undefined : await this.hearings.idsOfCase(siteIds, caseId);
    const hearingIds = hearingId === "" ? (ofCase ?? []) : ofCase && !ofCase.includes(hearingId) ? [] : [hearingId];
    return (await this.hearings.linksOf(undefined, { hearingIds })).map(({ takeId }) => takeId);
  }

  private async shown({ take, readingCopy, readingCopyReason }: Projected): Promise<Take> {
    const links = await this.hearings.linksOf(undefined, { takeId: take.id });
    const progress = this.projector.progressOf(take.id);
    const shown = clone(TakeSchema, take);
    shown.hearings = links.map(({ takeId, hearingId, fromUs, toUs }) =>
      create(TakeLinkSchema, { takeId, hearingId, fromUs: BigInt(fromUs), toUs: BigInt(toUs) }),
    );
    shown.copies = progress ? copiesOf(progress) : create(CopiesSchema);
    const url = readingCopy === ReadingCopyState.READY ? `${mediaBaseOf(take.id)}/reading-copy.m4a` : "";
    shown.readingCopy = create(ReadingCopySchema, { state: readingCopy, reason: readingCopyReason, url });
    return shown;
  }
}

function copiesOf(progress: Progress): Copies {
  const { parcelsKnown, parcelsHeld, parcelsLost, segmentsFinished, segmentsTwice, heldThroughUs, provenAtMs } = progress;
  return create(CopiesSchema, {
    parcelsKnown,
    parcelsHeld,
    parcelsLost,
    segmentsFinished,
    segmentsTwice,
    heldThroughUs,
    provenAtMs: BigInt(provenAtMs),
  });
}
