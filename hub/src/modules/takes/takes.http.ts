import type { FileHandle } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { takePlaylist, trackPlaylist } from "@xiezhi/media/play/playlists.ts";
import { isXiezhiError } from "@xiezhi/protos/errors.ts";
import { PlayTakeRequestSchema, type Take, TakesService as Contract } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import type { Caller } from "@xiezhi/rpc/service.ts";
import type { Context, Middleware } from "koa";
import type { Platform } from "../../platform/module.ts";
import { actOf } from "@xiezhi/rpc/access/rights.ts";
import type { StoredMedia } from "./takes.media.ts";
import type { TakesService } from "./takes.service.ts";

type User = Caller & { kind: "user" };
const METHOD = Contract.method.playTake;
const PATH =
  /^\/media\/takes\/([0-9a-f-]{36})\/(?:([a-z0-9][a-z0-9-]{0,63})\/)?(index\.m3u8|reading-copy\.m4a|(\d{1,6})\.init\.mp4|(\d{6,8})\.m4s)$/;
const TYPES = { playlist: "application/vnd.apple.mpegurl", mp4: "video/mp4", m4a: "audio/mp4" } as const;

/** Playlists, segments and the reading copy, under the right of PlayTake and bound to the session: they end when it does. */
export class TakesHttp {
  private readonly platform: Platform;
  private readonly service: TakesService;
  private readonly media: StoredMedia;
  private readonly readingCopy: (takeId: string) => Promise<FileHandle | undefined>;
  /** Playbacks that have their audit row, by session. */
  private readonly playing = new Map<string, Set<string>>();

  constructor(
    platform: Platform,
    service: TakesService,
    media: StoredMedia,
    readingCopy: (takeId: string) => Promise<FileHandle | undefined>,
  ) {
    this.platform = platform;
    this.service = service;
    this.media = media;
    this.readingCopy = readingCopy;
  }

  /** This session plays this take, and the audit says so. */
  plays(caller: Caller, takeId: string): void {
    if (caller.kind !== "user") return;
    const { sessionId } = caller;
    const takes = this.playing.get(sessionId) ?? new Set();
    if (!this.playing.has(sessionId)) this.platform.sessions.onEnded(sessionId, () => this.playing.delete(sessionId));
    this.playing.set(sessionId, takes.add(takeId));
  }

  middleware(): Middleware {
    return async (context, next) => {
      const parts = PATH.exec(context.path);
      if (!parts || (context.method !== "GET" && context.method !== "HEAD")) return next();
      const [, takeId = "", trackId, name = "", stretch, segment] = parts;
      const caller = context.state.caller as Caller;
      try {
        const request = create(PlayTakeRequestSchema, { takeId });
        await this.platform.rights.authorize(METHOD, request, caller);
        if (caller.kind !== "user") return next();
        await this.audited(context, caller, takeId);
        const take = await this.service.get(takeId);
        context.set("cache-control", "no-store");
        await this.serve(context, caller, { take, trackId, name, stretch, segment });
      } catch (error) {
        this.refuse(context, caller, takeId, error);
      }
    };
  }

  private async serve(
    context: Context,
    caller: User,
    asked: { take: Take; trackId: string | undefined; name: string; stretch: string | undefined; segment: string | undefined },
  ): Promise<void> {
    const { take, trackId, name, stretch, segment } = asked;
    if (name === "index.m3u8") return this.playlist(context, take, trackId);
    if (name === "reading-copy.m4a" && trackId === undefined) return this.file(context, caller, await this.readingCopy(take.id), TYPES.m4a);
    if (trackId === undefined) return;
    if (segment !== undefined && (await this.isSealed(take, trackId, Number(segment)))) return;
    const path = stretch === undefined ? { segment: Number(segment) } : { stretch: Number(stretch) };
    const handle = await this.media.open(take.id, (files) =>
      path.segment === undefined ? files.header(trackId, path.stretch) : files.segment(trackId, path.segment),
    );
    await this.file(context, caller, handle, TYPES.mp4);
  }

  private async playlist(context: Context, take: Take, trackId: string | undefined): Promise<void> {
    const model = await this.media.model(take.id);
    if (!model) return;
    context.type = TYPES.playlist;
    if (trackId === undefined) {
      context.body = takePlaylist(model);
      return;
    }
    const track = model.tracks.find(({ id }) => id === trackId);
    if (!track) return;
    const here = await this.media.segments(take.id, trackId);
    const open = await Promise.all([...here].map(async (segment) => !(await this.isSealed(take, trackId, segment))));
    const shown = new Set([...here].filter((_, at) => open[at]));
    context.body = trackPlaylist(model, track, (segment) => shown.has(segment));
  }

  /** A segment that touches a sealed span of its track is served to nobody here. */
  private async isSealed(take: Take, trackId: string, number: number): Promise<boolean> {
    const seals = take.spans.filter(({ type }) => type === "sealed");
    if (seals.length === 0) return false;
    const track = (await this.media.model(take.id))?.tracks.find(({ id }) => id === trackId);
    const segment = track?.segments.find((one) => one.segment === number);
    if (!track || !segment) return true;
    const usOf = (ticks: number) => (ticks / track.timescale) * 1e6;
    // The stored ledger lags behind: a segment that is not closed in it reaches farther than it says.
    const toUs = segment.closed ? usOf(segment.toTicks) : Number.POSITIVE_INFINITY;
    return seals.some(
      (seal) =>
        (seal.tracks.length === 0 || seal.tracks.includes(track.number)) &&
        toUs > Number(seal.fromUs) &&
        (seal.toUs === 0n || usOf(segment.fromTicks) < Number(seal.toUs)),
    );
  }

  /** Whole, or the one range that is asked for (RFC 9110 14). */
  private async file(context: Context, caller: User, handle: FileHandle | undefined, type: string): Promise<void> {
    if (!handle) return;
    const { size } = await handle.stat();
    const range = rangeOf(context.get("range"), size);
    context.type = type;
    context.set("accept-ranges", "bytes");
    if (range === "unsatisfiable") {
      await handle.close();
      context.status = 416;
      context.set("content-range", `bytes */${size}`);
      return;
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    context.status = range ? 206 : 200;
    if (range) context.set("content-range", `bytes ${start}-${end}/${size}`);
    context.length = end - start + 1;
    if (context.method === "HEAD" || context.length === 0) {
      await handle.close();
      if (context.length === 0) context.body = "";
      return;
    }
    const stream = handle.createReadStream({ start, end });
    const stop = this.platform.sessions.onEnded(caller.sessionId, () => {
      stream.destroy();
      context.res.destroy();
    });
    stream.once("close", stop);
    context.body = stream;
  }

  private async audited(context: Context, caller: User, takeId: string): Promise<void> {
    if (this.playing.get(caller.sessionId)?.has(takeId)) return;
    const call = { act: actOf(METHOD), caller, from: context.ip, method: METHOD, request: undefined };
    await this.service.play(call, takeId);
    this.plays(caller, takeId);
  }

  private refuse(context: Context, caller: Caller, takeId: string, error: unknown): void {
    if (!isXiezhiError(error)) throw error;
    const statuses: Partial<Record<typeof error.code, number>> = { UNAUTHENTICATED: 401, PERMISSION_DENIED: 403, NOT_FOUND: 404 };
    context.status = statuses[error.code] ?? 500;
    context.body = { reason: error.reason, zh: error.zh, en: error.en };
    if (caller.kind === "nobody") return;
    const call = { act: actOf(METHOD), caller, from: context.ip, method: METHOD, request: undefined };
    this.platform.audit
      .refusal(call, { id: takeId, siteId: "" }, error)
      .catch((failure: unknown) => this.platform.log.error({ err: failure }, "a refusal is not audited"));
  }
}

function rangeOf(header: string, size: number): { start: number; end: number } | "unsatisfiable" | undefined {
  const parts = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header);
  if (!parts || (parts[1] === "" && parts[2] === "")) return undefined;
  const [, from = "", to = ""] = parts;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end || start >= size ? "unsatisfiable" : { start, end };
}
