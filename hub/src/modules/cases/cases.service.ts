import { create } from "@bufbuild/protobuf";
import { newId } from "@xiezhi/base/ids.ts";
import {
  type Case,
  type CaseNumber,
  CaseNumberSchema,
  CaseSchema,
  type CreateCaseRequest,
  NumberKind,
} from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import type { Call } from "../../platform/call.ts";
import { isDuplicate, type View } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./cases.errors.ts";
import { isWrong, readNumber } from "./cases.law.ts";
import type { CasesStore } from "./cases.store.ts";

/** China has one civil time, UTC+8. */
const CHINA_OFFSET_MS = 8 * 3_600_000;

export class CasesService {
  private readonly platform: Platform;
  private readonly store: CasesStore;
  private readonly sites: SitesService;

  constructor(platform: Platform, store: CasesStore, sites: SitesService) {
    this.platform = platform;
    this.store = store;
    this.sites = sites;
  }

  /** What a typed number means; throws with the part that is wrong and what was expected there. */
  read(typed: string): { number: CaseNumber; corrected: boolean } {
    const presentYear = new Date(this.platform.clock.nowMs() + CHINA_OFFSET_MS).getUTCFullYear();
    const read = readNumber(typed, presentYear);
    if (isWrong(read)) throw errors.wrongNumber(read);
    const { kind, corrected, serial, ...rest } = read;
    return { number: create(CaseNumberSchema, { ...rest, kind: NumberKind[kind], serial: BigInt(serial) }), corrected };
  }

  /** A case belongs to one court: a standard number bears the code of the court that keeps it. */
  async create(call: Call, request: CreateCaseRequest): Promise<Case> {
    const { siteId, title, cause, procedure, parties } = request;
    const id = newId(this.platform.clock);
    const answer = await this.platform.change(call, { id, siteId }, async (tx) => {
      const { number } = this.read(request.number);
      if (number.kind === NumberKind.LEGACY && !request.legacyConfirmed) throw errors.legacyUnconfirmed(number.text);
      const courtCode = (await this.sites.site(tx, siteId))?.courtCode ?? "";
      if (number.courtCode !== "" && courtCode !== "" && number.courtCode !== courtCode)
        throw errors.wrongNumber({ part: "court", found: number.courtCode, zh: courtCode, en: courtCode });
      const made = create(CaseSchema, {
        id,
        siteId,
        number,
        title,
        cause,
        procedure,
        parties,
        createdAtMs: BigInt(this.platform.clock.nowMs()),
      });
      if (await this.store.byNumber(tx, siteId, number.text)) throw errors.numberTaken(number.text);
      await this.store.add(tx, made).catch((error: unknown) => {
        throw isDuplicate(error) ? errors.numberTaken(number.text) : error;
      });
      return { case: made };
    });
    return answer.case;
  }

  async get(view: View, id: string): Promise<Case> {
    const found = await this.store.get(view, id);
    if (!found) throw errors.notFound();
    return found;
  }

  some(view: View, ids: readonly string[]): Promise<Case[]> {
    return this.store.some(view, ids);
  }

  /** The cases of this site that bear one of these numbers. */
  async byReferences(view: View, siteId: string, references: readonly string[]): Promise<Case[]> {
    const found = await Promise.all(references.map((number) => this.store.byNumber(view, siteId, number)));
    return found.filter((one) => one !== undefined);
  }

  async list(siteIds: readonly string[], request: PageRequest & { search: string }): Promise<{ cases: Case[]; nextPageToken: string }> {
    const page = pageOf(request);
    const { rows, nextPageToken } = paged(page, await this.store.list(siteIds, request.search, page), ({ id }) => id);
    return { cases: rows, nextPageToken };
  }
}
