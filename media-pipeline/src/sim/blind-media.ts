import { createHash } from "node:crypto";

/** Where a simulated take gets its bytes from. */
export interface SimulatedMedia {
  header(kind: "video" | "audio", track: number): { header: Buffer; codec: string; width: number; height: number; channels: number };
  /** Chunks of one second, the first a key frame, with decode times from about `fromTicks` on: exactly from `ticks`. */
  second(kind: "video" | "audio", fromTicks: number, track: number): { pieces: Buffer[]; ticks: number; durationTicks: number };
}

const CHUNK_BYTES = 600;

/** Boxes of the right kinds with noise in them: right for whoever stores, sends or hashes, not for a decoder. The same for the same seed. */
export const blindMedia = (seed: string): SimulatedMedia => ({
  header: (kind, track) => ({
    header: Buffer.concat([box("ftyp", Buffer.from("iso6")), box("moov", noise(`${seed} ${kind} ${track}`, 300))]),
    ...(kind === "video"
      ? { codec: "avc1.640028", width: 1920, height: 1080, channels: 0 }
      : { codec: "mp4a.40.2", width: 0, height: 0, channels: 1 }),
  }),
  second: (kind, fromTicks, track) => ({
    pieces: Array.from({ length: 5 }, (_, at) => [
      box("moof", noise(`${seed} ${track} ${fromTicks} ${at}`, 88)),
      box("mdat", noise(`${seed} ${fromTicks} ${at} ${track}`, CHUNK_BYTES)),
    ]).flat(),
    ticks: fromTicks,
    durationTicks: kind === "video" ? 90_000 : 48_000,
  }),
});

function box(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.length, 0);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, content]);
}

function noise(seed: string, bytes: number): Buffer {
  return createHash("shake256", { outputLength: bytes }).update(seed).digest();
}
