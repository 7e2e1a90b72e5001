import { createRequire } from "node:module";

/** The part of gstreamer-superficial that is used here. */
interface Pipeline {
  play(): void;
  stop(): void;
  findChild(name: string): { push(bytes: Buffer, pts: Buffer): void; pull(fn: (bytes: Buffer | null) => void): void };
}

/** Built against the machine's GStreamer; has no types and no default export that `import` would find. */
const { Pipeline: Superficial } = createRequire(import.meta.url)("gstreamer-superficial") as { Pipeline: new (launch: string) => Pipeline };

/** GStreamer Data Protocol: what `gdppay` puts before each buffer. */
const GDP_HEAD_BYTES = 62;
const GDP_BUFFER = 1;

/**
 * One GStreamer pipeline from bytes to bytes, with times: `launch` stands between an appsrc and an appsink. Each pipeline
 * holds one libuv thread for as long as it runs (UV_THREADPOOL_SIZE), and must be closed before the process can end.
 */
export class SoundPipeline {
  private readonly pipeline: Pipeline;
  private readonly source: ReturnType<Pipeline["findChild"]>;
  private closed = false;

  /** `onBuffer`: presentation time in nanoseconds. `onEnd`: the pipeline gave up; not called after `close`. */
  constructor(caps: string, launch: string, onBuffer: (ptsNs: number, bytes: Buffer) => void, onEnd: () => void) {
    this.pipeline = new Superficial(`appsrc name=in format=time caps="${caps}" ! ${launch} ! gdppay ! appsink name=out sync=false`);
    this.source = this.pipeline.findChild("in");
    const sink = this.pipeline.findChild("out");
    // A pull before play never returns.
    this.pipeline.play();
    const pulled = (bytes: Buffer | null) => {
      if (this.closed) return;
      if (!bytes) return onEnd();
      readGdp(bytes, onBuffer);
      sink.pull(pulled);
    };
    sink.pull(pulled);
  }

  push(ptsNs: number, bytes: Buffer): void {
    const pts = Buffer.allocUnsafe(8);
    pts.writeBigUInt64BE(BigInt(Math.round(ptsNs)));
    this.source.push(bytes, pts);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pipeline.stop();
  }
}

/** The memory belongs to GStreamer: what is handed out is a copy. */
function readGdp(bytes: Buffer, onBuffer: (ptsNs: number, bytes: Buffer) => void): void {
  for (let at = 0; at + GDP_HEAD_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 6);
    const end = at + GDP_HEAD_BYTES + length;
    if (bytes.readUInt16BE(at + 4) === GDP_BUFFER)
      onBuffer(Number(bytes.readBigUInt64BE(at + 10)), Buffer.from(bytes.subarray(at + GDP_HEAD_BYTES, end)));
    at = end;
  }
}
