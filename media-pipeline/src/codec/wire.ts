import { frameHead } from "../framing.ts";

/**
 * What a capture worker and the codec worker say to each other (framing.ts). Kind 0 carries `ToCodec` and `FromCodec` as
 * JSON. Streams are numbered by who opens them, a new number each time.
 */
export type ToCodec =
  /** Samples of one channel. */
  | { kind: "encode"; stream: number; rate: number }
  /** AAC: `channel` of it, from 0, or all of them mixed down. */
  | ({ kind: "encodeAnew"; stream: number; channel?: number } & CodedSound)
  | ({ kind: "meter"; stream: number } & CodedSound)
  | { kind: "close"; stream: number };

/** What a decoder of AAC must know. `config`: AudioSpecificConfig, hex; `rate`: its samples a second. */
export interface CodedSound {
  config: string;
  rate: number;
  channels: number;
}

/** The stream could not be opened or has ended by itself. */
export interface FromCodec {
  kind: "failed";
  stream: number;
  reason: string;
}

/**
 * Kinds of frames with sound. To the codec: samples (16 bit, little endian) and where the first one stands, counted from the
 * stream's first; or one AAC frame in the same way. From it: one AAC frame and where its content begins, in 1/48000 s since the
 * stream's first sample, the encoder's delay taken out; or levels, as two doubles.
 */
export const SOUND = 1;
export const LEVELS = 2;

const HEAD_BYTES = 12;

export function soundFrame(stream: number, at: number, bytes: Buffer): [Buffer, Buffer, Buffer] {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(stream, 0);
  head.writeDoubleLE(at, 4);
  return [frameHead(SOUND, HEAD_BYTES + bytes.length), head, bytes];
}

/** `bytes` is a view of `payload`. */
export function readSound(payload: Buffer): { stream: number; at: number; bytes: Buffer } {
  return { stream: payload.readUInt32LE(0), at: payload.readDoubleLE(4), bytes: payload.subarray(HEAD_BYTES) };
}

export function levelsFrame(stream: number, rmsDbfs: number, peakDbfs: number): Buffer {
  const bytes = Buffer.allocUnsafe(20);
  bytes.writeUInt32LE(stream, 0);
  bytes.writeDoubleLE(rmsDbfs, 4);
  bytes.writeDoubleLE(peakDbfs, 12);
  return Buffer.concat([frameHead(LEVELS, bytes.length), bytes]);
}

export function readLevels(payload: Buffer): { stream: number; rmsDbfs: number; peakDbfs: number } {
  return { stream: payload.readUInt32LE(0), rmsDbfs: payload.readDoubleLE(4), peakDbfs: payload.readDoubleLE(12) };
}
