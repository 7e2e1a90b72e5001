import { join } from "node:path";
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type RememberRequest, RememberRequestSchema } from "@xiezhi/protos/gen/xiezhi/agents/v1/agents_pb.js";
import type { Hearing } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";

/** Requests are remembered this long: a page that repeats one gets the same answer. */
const REQUESTS_KEPT_MS = 24 * 3_600_000;

interface Remembered {
  /** `method user request`. */
  key: string;
  atMs: number;
  answer: unknown;
}

/** What a room must know to work alone, kept on its own disk: today's list, and which requests it has answered. */
export class Memory {
  private readonly clock: Clock;
  private readonly files: { list: string; requests: string };
  private list: RememberRequest = create(RememberRequestSchema);
  private requests: Remembered[] = [];
  private readonly listeners = new Set<() => void>();

  constructor({ clock, stateFolder }: { clock: Clock; stateFolder: string }) {
    this.clock = clock;
    this.files = { list: join(stateFolder, "memory", "list.json"), requests: join(stateFolder, "memory", "requests.json") };
  }

  /** What cannot be read is begun anew: the hub says the list again, and a lost memory of requests must not stop the room. */
  async open(log: Log): Promise<void> {
    try {
      const list = await readIfThere(this.files.list);
      if (list !== undefined) this.list = fromJsonString(RememberRequestSchema, list);
      const requests = await readIfThere(this.files.requests);
      if (requests !== undefined) this.requests = JSON.parse(requests) as Remembered[];
    } catch (error) {
      log.error({ err: error }, "memory could not be read");
    }
  }

  get listings(): readonly Hearing[] {
    return this.list.listings;
  }

  /** When the hub last said the list, UTC ms; 0: never. */
  get listingsAtMs(): number {
    return Number(this.list.atMs);
  }

  hearing(id: string): Hearing | undefined {
    return this.list.listings.find((hearing) => hearing.id === id);
  }

  /** Takes the hub's list; an older one than is known is passed over. Returns the version that holds now. */
  async remember(list: RememberRequest): Promise<bigint> {
    if (list.version < this.list.version) return this.list.version;
    await writeDurably(this.files.list, toJsonString(RememberRequestSchema, list));
    this.list = list;
    for (const listener of this.listeners) listener();
    return list.version;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  answered<T>(method: string, userId: string, requestId: string): T | undefined {
    return this.requests.find(({ key }) => key === `${method} ${userId} ${requestId}`)?.answer as T | undefined;
  }

  async keepAnswer(method: string, userId: string, requestId: string, answer: unknown): Promise<void> {
    const now = this.clock.nowMs();
    this.requests = this.requests.filter(({ atMs }) => now - atMs < REQUESTS_KEPT_MS);
    this.requests.push({ key: `${method} ${userId} ${requestId}`, atMs: now, answer });
    await writeDurably(this.files.requests, JSON.stringify(this.requests));
  }
}
