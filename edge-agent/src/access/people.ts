import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type AdmitRequest, AdmitRequestSchema, type Person } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import type { Site } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { errors } from "./access.errors.ts";

const DAY_MS = 24 * 3_600_000;
/** Nobody signs in on verifiers that the hub has not said for so long (DECISIONS 22). */
const MOST_DAYS = 7;

/** Who may work at this room's own address, as the hub said last; kept on the room's disk, mode 600. */
export class People {
  private readonly clock: Clock;
  private readonly file: string;
  private told: AdmitRequest = create(AdmitRequestSchema);
  /** Told who may do less than before: gone, a role lost, another PIN. Their sessions must end. */
  onNarrowed: (userIds: ReadonlySet<string>) => void = () => {};

  constructor({ clock, file }: { clock: Clock; file: string }) {
    this.clock = clock;
    this.file = file;
  }

  /** What can't be read is begun anew: the hub says it again. */
  async open(log: Log): Promise<void> {
    try {
      const text = await readIfThere(this.file);
      if (text !== undefined) this.told = fromJsonString(AdmitRequestSchema, text);
    } catch (error) {
      log.error({ err: error }, "who may sign in at this room could not be read");
    }
  }

  get site(): Site | undefined {
    return this.told.site;
  }

  byId(userId: string): Person | undefined {
    return this.told.people.find(({ user }) => user?.id === userId);
  }

  byLogin(login: string): Person | undefined {
    return this.told.people.find(({ user }) => user?.login === login);
  }

  /** An older version than is known is passed over. Returns the version that holds now. */
  async admit(told: AdmitRequest): Promise<bigint> {
    if (told.version < this.told.version) return this.told.version;
    const before = this.told.people;
    this.told = told;
    const narrowed = before.filter((person) => isNarrower(person, this.byId(person.user?.id ?? ""))).map(({ user }) => user?.id ?? "");
    this.onNarrowed(new Set(narrowed));
    await writeDurably(this.file, toJsonString(AdmitRequestSchema, told));
    return told.version;
  }

  /** Throws, with the way out, where what the room knows is too old to sign anybody in. */
  mustBeFresh(): void {
    const atMs = Number(this.told.atMs);
    if (atMs === 0) throw errors.neverTold();
    const ageMs = this.clock.nowMs() - atMs;
    if (ageMs > MOST_DAYS * DAY_MS) throw errors.tooOld(Math.floor(ageMs / DAY_MS), MOST_DAYS);
  }
}

function isNarrower(before: Person, now: Person | undefined): boolean {
  if (!now || now.pinVerifier !== before.pinVerifier) return true;
  const kept = now.user?.roles ?? [];
  return (before.user?.roles ?? []).some((had) => !kept.some(({ role, siteId }) => role === had.role && siteId === had.siteId));
}
