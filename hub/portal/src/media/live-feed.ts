import type { LiveChunk, LiveHeader } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";

/** Further behind the newest frame than this, the picture jumps; nearer would stutter at each late chunk (tried). Seconds. */
const behindS = 0.35;
const jumpToEndS = 0.06;
/** What lies further back than this is let go, seconds. */
const keepS = 10;
/** A queue this long means that nobody decodes: a hidden page. It is cut to the last key frame. */
const queueLimit = 250;

/** Where the play head must jump to, or undefined to stay. All in seconds of the element's time. */
export function catchUp(atS: number, buffered: { startS: number; endS: number } | undefined): number | undefined {
  if (!buffered) return undefined;
  const target = Math.max(buffered.startS, buffered.endS - jumpToEndS);
  if (atS < buffered.startS || atS > buffered.endS + 1) return target;
  return buffered.endS - atS > behindS ? target : undefined;
}

/** Joins what waits into one append; drops to the last key frame when too much has piled up. */
export function nextAppend(queue: readonly Queued[]): Queued[] {
  if (queue.length <= queueLimit) return [...queue];
  const key = queue.findLastIndex((it) => it.key);
  const headers = queue.filter((it, index) => it.codec !== undefined && index < key);
  return [...headers.slice(-1), ...queue.slice(Math.max(key, 0))];
}

export interface Queued {
  data: Uint8Array;
  key: boolean;
  /** Set for an initialisation header. */
  codec?: string;
}

/** One camera's chunks into one video element. Live time is the room's own axis, so the element jumps to wherever it begins. */
export class LiveFeed {
  readonly video: HTMLVideoElement;
  private readonly monoMs: () => number;
  private source = new MediaSource();
  private buffer: SourceBuffer | undefined;
  private queue: Queued[] = [];
  private header: Queued | undefined;
  private paintedAtMs: number;
  private paints: number;
  private url = "";
  unsupported: string | undefined;

  constructor(video: HTMLVideoElement, monoMs: () => number) {
    this.video = video;
    this.monoMs = monoMs;
    this.paintedAtMs = monoMs();
    this.paints = video.requestVideoFrameCallback(() => this.painted());
    this.begin();
  }

  /** How long no new picture has been painted, ms: neither a dead camera nor a stuck decoder passes for live. */
  quietMs(): number {
    return this.monoMs() - this.paintedAtMs;
  }

  giveHeader(header: LiveHeader): void {
    this.header = { data: header.header, key: false, codec: header.codec };
    this.queue.push(this.header);
    this.pump();
  }

  giveChunk(chunk: LiveChunk): void {
    this.queue.push({ data: chunk.data, key: chunk.key });
    this.pump();
  }

  close(): void {
    this.video.cancelVideoFrameCallback(this.paints);
    this.queue = [];
    this.buffer = undefined;
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.url);
  }

  private painted(): void {
    this.paintedAtMs = this.monoMs();
    this.paints = this.video.requestVideoFrameCallback(() => this.painted());
  }

  private begin(): void {
    URL.revokeObjectURL(this.url);
    this.buffer = undefined;
    this.source = new MediaSource();
    this.source.addEventListener("sourceopen", () => this.pump(), { once: true });
    this.url = URL.createObjectURL(this.source);
    this.video.src = this.url;
  }

  /** After an error of the decoder: again from the next key frame. */
  private beginAgain(): void {
    const key = this.queue.findLastIndex((it) => it.key);
    this.queue = [...(this.header ? [this.header] : []), ...(key < 0 ? [] : this.queue.slice(key))];
    this.begin();
  }

  private pump(): void {
    if (this.video.error) return this.beginAgain();
    if (this.source.readyState !== "open" || this.buffer?.updating || this.queue.length === 0) return;
    this.queue = nextAppend(this.queue);
    const codec = this.queue[0]?.codec;
    if (codec !== undefined && !this.prepare(codec)) return;
    if (!this.buffer) {
      this.queue = [];
      return;
    }
    const upTo = this.queue.findIndex((it, index) => index > 0 && it.codec !== undefined);
    const batch = this.queue.splice(0, upTo < 0 ? this.queue.length : upTo);
    try {
      this.buffer.appendBuffer(joined(batch.map((it) => it.data)));
    } catch {
      this.beginAgain();
    }
  }

  private prepare(codec: string): boolean {
    const type = `video/mp4; codecs="${codec}"`;
    this.unsupported = MediaSource.isTypeSupported(type) ? undefined : codec;
    if (this.unsupported) {
      this.queue = [];
      return false;
    }
    if (this.buffer) {
      this.buffer.changeType(type);
      return true;
    }
    this.source.duration = Number.POSITIVE_INFINITY;
    this.buffer = this.source.addSourceBuffer(type);
    this.buffer.addEventListener("updateend", () => this.appended());
    return true;
  }

  private appended(): void {
    const { buffer, video } = this;
    // A chunk that came before this event may have begun the next append, whose own end comes.
    if (!buffer || buffer.updating || this.source.readyState !== "open") return;
    const ranges = buffer.buffered;
    const newest = ranges.length - 1;
    const jump = newest < 0 ? undefined : catchUp(video.currentTime, { startS: ranges.start(newest), endS: ranges.end(newest) });
    if (jump !== undefined) video.currentTime = jump;
    if (video.paused) void video.play().catch(() => undefined);
    if (newest >= 0 && ranges.start(0) < video.currentTime - 2 * keepS) buffer.remove(0, video.currentTime - keepS);
    else this.pump();
  }
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
