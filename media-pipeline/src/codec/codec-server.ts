import { createServer, type Server, type Socket } from "node:net";
import { levelsOf } from "../capture/rtp/pcm.ts";
import { SOUND_TIMESCALE } from "../capture/unit.ts";
import { FrameReader, jsonFrame } from "../framing.ts";
import { SoundPipeline } from "./pipeline.ts";
import { type CodedSound, type FromCodec, levelsFrame, readSound, SOUND, soundFrame, type ToCodec } from "./wire.ts";

/** Each pipeline holds a thread of the pool. */
const STREAMS_MAX = 56;
/** avenc_aac gives a first frame that holds nothing but what its window needs before the first sample; frames stand that much late. */
const ENCODER_DELAY_TICKS = 1024;
const RATES = { min: 4_000, max: 192_000 };
const CHANNELS_MAX = 8;
/** Above what rounding makes of time stamps, below one sample. */
const RATE_TOLERANCE_NS = 10_000;
const METER_MS = 100;

interface Stream {
  push(at: number, bytes: Buffer): void;
  close(): void;
}

/** Encodes and meters for whoever connects. Knows no track and no take, and keeps nothing. */
export class CodecServer {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private streams = 0;

  constructor() {
    this.server = createServer((socket) => this.serve(socket));
  }

  get clients(): number {
    return this.sockets.size;
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(path, () => resolve());
    });
  }

  /** Ends all streams. The path stays: it may be another's by now, and `Server.close` would remove it. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    const streams = new Map<number, Stream>();
    const end = (stream: number) => {
      if (!streams.has(stream)) return;
      streams.get(stream)?.close();
      streams.delete(stream);
      this.streams--;
    };
    const fail = (stream: number, reason: string) => {
      end(stream);
      socket.write(jsonFrame({ kind: "failed", stream, reason } satisfies FromCodec));
    };
    const obey = (order: ToCodec) => {
      end(order.stream);
      if (order.kind === "close") return;
      if (this.streams >= STREAMS_MAX) return fail(order.stream, `more than ${STREAMS_MAX} streams`);
      const ended = () => fail(order.stream, "the pipeline ended");
      try {
        streams.set(order.stream, open(order, socket, ended));
        this.streams++;
      } catch (error) {
        fail(order.stream, error instanceof Error ? error.message : "no pipeline");
      }
    };
    const reader = new FrameReader((kind, payload) => {
      if (kind === 0) return obey(JSON.parse(payload.toString()) as ToCodec);
      if (kind !== SOUND) return;
      const { stream, at, bytes } = readSound(payload);
      streams.get(stream)?.push(at, bytes);
    });
    socket.on("data", (bytes) => {
      try {
        reader.push(bytes);
      } catch {
        socket.destroy();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.sockets.delete(socket);
      for (const stream of streams.keys()) end(stream);
    });
  }
}

function checkRate(rate: number): number {
  if (!Number.isInteger(rate) || rate < RATES.min || rate > RATES.max) throw new RangeError(`sound of ${rate} samples a second`);
  return rate;
}

/** Of AAC; only numbers and hex digits get into it. */
function codedCaps({ rate, channels, config }: CodedSound): string {
  if (!/^([0-9a-f]{2}){2,64}$/.test(config)) throw new RangeError("no AAC configuration");
  if (!Number.isInteger(channels) || channels < 1 || channels > CHANNELS_MAX) throw new RangeError(`AAC of ${channels} channels`);
  return `audio/mpeg,mpegversion=4,stream-format=raw,rate=${checkRate(rate)},channels=${channels},codec_data=(buffer)${config}`;
}

/** An element that leaves one channel, or all of them mixed down. */
function oneChannel(channels: number, channel: number | undefined): string {
  if (channels === 1 || channel === undefined) return "audioconvert";
  if (!Number.isInteger(channel) || channel < 0 || channel >= channels) throw new RangeError(`channel ${channel} of ${channels}`);
  const gains = Array.from({ length: channels }, (_, index) => `(float)${index === channel ? 1 : 0}.0`);
  return `audioconvert mix-matrix="<<${gains.join(",")}>>"`;
}

function open(order: Exclude<ToCodec, { kind: "close" }>, socket: Socket, onEnd: () => void): Stream {
  if (order.kind === "meter") return meter(order, socket, onEnd);
  if (order.kind === "encode") {
    const rate = checkRate(order.rate);
    const caps = `audio/x-raw,format=S16LE,layout=interleaved,rate=${rate},channels=1`;
    return encode({ stream: order.stream, rate, caps, launch: "audioconvert" }, socket, onEnd);
  }
  const { stream, rate, channels, channel } = order;
  const launch = `avdec_aac ! ${oneChannel(channels, channel)}`;
  return encode({ stream, rate, caps: codedCaps(order), launch }, socket, onEnd);
}

/** `launch` makes one channel of what `caps` describes; `rate`: how `at` counts, a second. */
function encode(from: { stream: number; rate: number; caps: string; launch: string }, socket: Socket, onEnd: () => void): Stream {
  const { stream, rate, caps } = from;
  // Decoder and resampler put their own delays right (tried with a click at each rate: within one sample).
  const resample = `audioresample ! audio/x-raw,rate=${SOUND_TIMESCALE},channels=1`;
  // What is missing or can't be decoded becomes silence, so that what comes after it stays in its place. Before the resampler
  // such silence would cost it what it holds.
  const launch = `${from.launch} ! ${resample} ! audiorate tolerance=${RATE_TOLERANCE_NS} ! avenc_aac bitrate=96000`;
  const onFrame = (ptsNs: number, bytes: Buffer) => {
    const at = Math.round((ptsNs * SOUND_TIMESCALE) / 1e9) - ENCODER_DELAY_TICKS;
    send(socket, soundFrame(stream, at, bytes));
  };
  const pipeline = new SoundPipeline(caps, launch, onFrame, onEnd);
  return { push: (at, bytes) => pipeline.push((at * 1e9) / rate, bytes), close: () => pipeline.close() };
}

function meter(order: { stream: number } & CodedSound, socket: Socket, onEnd: () => void): Stream {
  const { rate } = order;
  const caps = codedCaps(order);
  const launch = "avdec_aac ! audioconvert ! audio/x-raw,format=S16LE,layout=interleaved,channels=1";
  const bytesEach = Math.round((rate * METER_MS) / 1000) * 2;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const onSamples = (_ptsNs: number, bytes: Buffer) => {
    pending.push(bytes);
    pendingBytes += bytes.length;
    if (pendingBytes < bytesEach) return;
    const { rmsDbfs, peakDbfs } = levelsOf(Buffer.concat(pending));
    pending = [];
    pendingBytes = 0;
    send(socket, [levelsFrame(order.stream, rmsDbfs, peakDbfs)]);
  };
  const pipeline = new SoundPipeline(caps, launch, onSamples, onEnd);
  return { push: (at, bytes) => pipeline.push((at * 1e9) / rate, bytes), close: () => pipeline.close() };
}

function send(socket: Socket, parts: readonly Buffer[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}
