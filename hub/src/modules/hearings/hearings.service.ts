import { create } from "@bufbuild/protobuf";
import { newId } from "@xiezhi/base/ids.ts";
import {
  type CreateHearingRequest,
  type Hearing,
  HearingSchema,
  HearingState,
  Publicity,
  SecrecyLevel,
} from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import type { TakeStart } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import type { Call } from "../../platform/call.ts";
import type { Tx, View } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import type { CasesService } from "../cases/cases.service.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./hearings.errors.ts";
import { overlapBetweenRooms } from "./hearings.contest.ts";
import type { Contested, HearingFilter, HearingsStore, Link } from "./hearings.store.ts";

const LONGEST_MS = 24 * 3_600_000;
/** China has one civil time, UTC+8. */
const CHINA_OFFSET_MS = 8 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
const CONTESTED = "hearings/contested";

export class HearingsService {
  private readonly platform: Platform;
  private readonly store: HearingsStore;
  private readonly cases: CasesService;
  private readonly sites: SitesService;

  constructor(platform: Platform, store: HearingsStore, used: { cases: CasesService; sites: SitesService }) {
    this.platform = platform;
    this.store = store;
    this.cases = used.cases;
    this.sites = used.sites;
  }

  /** Lists a hearing; of any number that want the same room at the same time exactly one succeeds. */
  async create(call: Call, request: CreateHearingRequest): Promise<Hearing> {
    const { roomId, listedFromMs, listedToMs, caseIds, ...rest } = request;
    const id = newId(this.platform.clock);
    const siteId = (await this.sites.room(undefined, roomId))?.siteId ?? "";
    await this.store.ensureGuard(this.platform.database, roomId);
    const answer = await this.platform.change(call, { id, siteId }, async (tx) => {
      if (listedToMs <= listedFromMs || listedToMs - listedFromMs > LONGEST_MS) throw errors.wrongTimes();
      if (request.publicity === Publicity.NOT_PUBLIC && request.publicityGround.trim() === "") throw errors.groundNeeded();
      const cases = await this.casesAt(tx, siteId, caseIds);
      await this.store.guardRoom(tx, roomId);
      const other = await this.store.overlapping(tx, roomId, Number(listedFromMs), Number(listedToMs));
      if (other) throw errors.roomTaken(other);
      const hearing = create(HearingSchema, {
        id,
        siteId,
        roomId,
        kind: rest.kind,
        state: HearingState.LISTED,
        cases,
        title: rest.title || (cases[0]?.title ?? ""),
        listedFromMs,
        listedToMs,
        procedure: rest.procedure || (cases[0]?.procedure ?? 0),
        publicity: rest.publicity,
        publicityGround: rest.publicityGround,
        secrecy: rest.secrecy || SecrecyLevel.ORDINARY,
        people: rest.people,
      });
      await this.store.add(tx, hearing);
      await this.changed(tx, hearing);
      return { hearing };
    });
    return answer.hearing;
  }

  async cancel(call: Call, hearingId: string): Promise<Hearing> {
    const found = await this.get(undefined, hearingId);
    const answer = await this.platform.change(call, { id: hearingId, siteId: found.siteId }, async (tx) => {
      const hearing = await this.get(tx, hearingId);
      if (hearing.state !== HearingState.LISTED) throw errors.notListed();
      await this.store.setState(tx, hearingId, HearingState.CANCELLED);
      await this.changed(tx, hearing);
      return { hearing: { ...hearing, state: HearingState.CANCELLED } };
    });
    return answer.hearing;
  }

  async linkCases(call: Call, hearingId: string, caseIds: readonly string[]): Promise<Hearing> {
    const found = await this.get(undefined, hearingId);
    const answer = await this.platform.change(call, { id: hearingId, siteId: found.siteId }, async (tx) => {
      const cases = await this.casesAt(tx, found.siteId, caseIds);
      await this.store.linkCases(
        tx,
        hearingId,
        cases.map(({ id }) => id),
      );
      await this.changed(tx, found);
      return { hearing: await this.get(tx, hearingId) };
    });
    return answer.hearing;
  }

  /** A person says which takes hold the hearing; the others stay as takes and leave its list. */
  async settleTakes(call: Call, hearingId: string, takeIds: readonly string[]): Promise<Hearing> {
    const found = await this.get(undefined, hearingId);
    const answer = await this.platform.change(call, { id: hearingId, siteId: found.siteId }, async (tx) => {
      const linked = new Set((await this.store.linksOf(tx, { hearingIds: [hearingId] })).map(({ takeId }) => takeId));
      for (const takeId of takeIds) if (!linked.has(takeId)) throw errors.takeNotLinked(takeId);
      for (const takeId of linked) await this.store.settle(tx, hearingId, takeId, takeIds.includes(takeId));
      await this.store.setState(tx, hearingId, (await this.runs(tx, hearingId)) ? HearingState.RUNNING : HearingState.HELD);
      await this.reconsider(tx, found);
      await this.changed(tx, found);
      return { hearing: await this.get(tx, hearingId) };
    });
    return answer.hearing;
  }

  /** Hearings that wait for `settleTakes`, and the rooms that recorded them: those of now, then all after each change. */
  async *watchContested(signal: AbortSignal): AsyncGenerator<(Contested & { roomIds: string[] })[]> {
    for await (const _ of this.platform.hints.watch([CONTESTED], signal)) {
      const contested = await this.store.contested(undefined);
      const links = await this.store.linksOf(undefined, { hearingIds: contested.map(({ hearingId }) => hearingId) });
      yield contested.map((each) => ({
        ...each,
        roomIds: [...new Set(links.filter(({ hearingId }) => hearingId === each.hearingId).map(({ roomId }) => roomId))],
      }));
    }
  }

  async get(view: View, id: string): Promise<Hearing> {
    const hearing = await this.store.get(view, id);
    const [shown] = hearing ? await this.shown(view, [hearing]) : [];
    if (!shown) throw errors.notFound();
    return shown;
  }

  async list(filter: HearingFilter, request: PageRequest): Promise<{ hearings: Hearing[]; nextPageToken: string }> {
    const page = pageOf(request);
    const found = await this.store.list(undefined, filter, page);
    const { rows, nextPageToken } = paged(page, found, ({ id, listedFromMs }) => `${listedFromMs}/${id}`);
    return { hearings: await this.shown(undefined, rows), nextPageToken };
  }

  /** What a room must know to work alone today: its list of this Day in China, and what runs. */
  async today(roomId: string): Promise<Hearing[]> {
    const fromMs = Math.floor((this.platform.clock.nowMs() + CHINA_OFFSET_MS) / DAY_MS) * DAY_MS - CHINA_OFFSET_MS;
    const states = [HearingState.LISTED, HearingState.RUNNING, HearingState.HELD];
    return this.shown(undefined, await this.store.list(undefined, { roomId, states, fromMs, toMs: fromMs + DAY_MS }));
  }

  async idsOfCase(siteIds: readonly string[], caseId: string): Promise<string[]> {
    return (await this.store.list(undefined, { siteIds, caseId })).map(({ id }) => id);
  }

  linksOf(view: View, by: { takeId: string } | { hearingIds: readonly string[] }): Promise<Link[]> {
    return this.store.linksOf(view, by);
  }

  /** A take began: its hearing runs; one that the room made by itself exists from here on. Called by the projection only. */
  async takeBegan(tx: Tx, start: TakeStart, atUs: number): Promise<void> {
    if (start.hearingId === "") return;
    await this.takeLinked(tx, start, start.hearingId, start.caseReferences, atUs);
  }

  /** A take goes on with this hearing from `atUs`. */
  async takeLinked(tx: Tx, take: TakeStart, hearingId: string, caseReferences: readonly string[], atUs: number): Promise<void> {
    const known = await this.store.get(tx, hearingId);
    // A room can only speak for its own site's hearings; another's id would let it write there.
    if (known && known.siteId !== take.siteId) return;
    const cases = await this.cases.byReferences(tx, take.siteId, caseReferences);
    if (known)
      await this.store.linkCases(
        tx,
        hearingId,
        cases.map(({ id }) => id),
      );
    else await this.store.add(tx, unlisted(take, hearingId, cases));
    await this.store.setState(tx, hearingId, HearingState.RUNNING);
    const { takeId, siteId, roomId } = take;
    await this.store.openLink(tx, { takeId, hearingId, fromUs: atUs, roomId, beganMs: Number(take.utcUs / 1_000n) });
    await this.reconsider(tx, { id: hearingId, siteId });
    await this.changed(tx, { id: hearingId, siteId, roomId });
  }

  /** The take ended, or goes on without this hearing. A hearing is held when no take of it runs. */
  async takeLeft(tx: Tx, take: TakeStart, atUs: number, hearingId?: string): Promise<void> {
    for (const id of new Set(await this.store.closeLinks(tx, take.takeId, atUs, hearingId))) {
      if (!(await this.runs(tx, id))) await this.store.setState(tx, id, HearingState.HELD);
      await this.reconsider(tx, { id, siteId: take.siteId });
      await this.changed(tx, { id, siteId: take.siteId, roomId: take.roomId });
    }
  }

  private async casesAt(tx: Tx, siteId: string, caseIds: readonly string[]): Promise<Hearing["cases"]> {
    const cases = await this.cases.some(tx, caseIds);
    return caseIds.map((caseId) => {
      const found = cases.find(({ id }) => id === caseId);
      if (found?.siteId !== siteId) throw errors.caseElsewhere(caseId);
      return found;
    });
  }

  /** Whether a take of it runs. */
  private async runs(tx: Tx, hearingId: string): Promise<boolean> {
    return (await this.store.linksOf(tx, { hearingIds: [hearingId] })).some(({ toUs }) => toUs === 0);
  }

  /** Whether a person must be asked: a take may have come, ended earlier than it seemed, or been spoken of. */
  private async reconsider(tx: Tx, { id, siteId }: Pick<Hearing, "id" | "siteId">): Promise<void> {
    const settled = await this.store.settled(tx, id);
    const contested = overlapBetweenRooms(await this.store.linksOf(tx, { hearingIds: [id] }), settled);
    const known = (await this.store.contested(tx, [id])).length > 0;
    if (contested === known) return;
    if (contested) await this.store.contest(tx, { hearingId: id, siteId, sinceMs: this.platform.clock.nowMs() });
    else await this.store.uncontest(tx, id);
    tx.afterCommit(() => this.platform.hints.touch(CONTESTED));
  }

  private async changed(tx: Tx, { id, siteId, roomId }: Pick<Hearing, "id" | "siteId" | "roomId">): Promise<void> {
    const validAtMs = this.platform.clock.nowMs();
    await this.platform.tells.tell(tx, { what: "hearings.changed", objectId: id, siteId, validAtMs, facts: { roomId } });
  }

  /** With the cases' own text, and which hearing each one waits for: a running one in its room that it should have followed. */
  private async shown(view: View, hearings: readonly Hearing[]): Promise<Hearing[]> {
    const cases = await this.cases.some(view, [...new Set(hearings.flatMap((hearing) => hearing.cases.map(({ id }) => id)))]);
    const roomIds = new Set(hearings.filter(({ state }) => state === HearingState.LISTED).map(({ roomId }) => roomId));
    const running: Hearing[] = [];
    for (const roomId of roomIds) running.push(...(await this.store.list(view, { roomId, states: [HearingState.RUNNING] })));
    const nowMs = BigInt(this.platform.clock.nowMs());
    return hearings.map((hearing) => {
      const due = hearing.state === HearingState.LISTED && hearing.listedFromMs <= nowMs && nowMs < hearing.listedToMs + BigInt(LONGEST_MS);
      const before = due ? running.find(({ roomId }) => roomId === hearing.roomId) : undefined;
      return {
        ...hearing,
        cases: hearing.cases.map(({ id }) => cases.find((found) => found.id === id)).filter((found) => found !== undefined),
        waitsForHearingId: before?.id ?? "",
      };
    });
  }
}

/** A hearing that nobody listed: what the room knew of it. */
function unlisted(take: TakeStart, id: string, cases: Hearing["cases"]): Hearing {
  const { siteId, roomId, title } = take;
  return create(HearingSchema, { id, siteId, roomId, title, cases, state: HearingState.RUNNING, secrecy: SecrecyLevel.ORDINARY });
}
