import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A clip is encoded media that a simulator sends in a loop without looking into it: `<name>.json` says where each frame
 * lies in a bytes file beside it. The bytes alone can be played by foreign players (Annex B, ADTS, raw samples).
 * Setup makes the demo's clips into `var/clips` (provisioning/clips); the small ones for tests are committed in `test-clips`.
 */
export interface Clip extends ClipFacts {
  name: string;
  frames: readonly ClipFrame[];
}

export interface ClipFacts {
  kind: "video" | "audio";
  /** As SDP's rtpmap spells it. L16 is big-endian (RFC 3551 4.5.11), MPEG4-GENERIC is AAC-LC (RFC 3640, mode AAC-hbr). */
  encoding: "H264" | "MPEG4-GENERIC" | "PCMA" | "PCMU" | "L16";
  /** Ticks a second of the RTP clock. */
  clockRate: number;
  /** 1 for pictures. */
  channels: number;
  /** Duration of each frame in ticks of `clockRate`. */
  frameTicks: number;
  /** SDP's format parameters without the payload type; empty where the encoding has none. */
  fmtp: string;
  /** Pixels; pictures only. */
  width?: number;
  height?: number;
}

export interface ClipFrame {
  /** Decoding may begin here. Frame 0 of every clip is one, so the loop closes without a break. */
  key: boolean;
  /** H.264: the access unit's NAL units without start codes (AUD, parameter sets before a key frame, slices). Sound: one frame. */
  parts: readonly Buffer[];
}

/** What `<name>.json` holds. */
export interface ClipIndex extends ClipFacts {
  /** Says how the clip was made; the maker makes it again when this differs from what it would write. */
  recipe: string;
  /** The file beside this one that holds the bytes. */
  bytes: string;
  frames: { key: boolean; parts: [offset: number, length: number][] }[];
}

const loaded = new Map<string, Promise<Clip>>();

/** Reads a clip. All callers of a process share one copy of its bytes and must not write to them. */
export function loadClip(folder: string, name: string): Promise<Clip> {
  const file = join(folder, `${name}.json`);
  const clip = loaded.get(file) ?? readClip(folder, name, file);
  loaded.set(file, clip);
  clip.catch(() => loaded.delete(file));
  return clip;
}

async function readClip(folder: string, name: string, file: string): Promise<Clip> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Error(`no clip ${name} in ${folder}: provisioning/bin/setup makes the demo's clips`, { cause });
  });
  const { bytes: bytesFile, frames, recipe: _, ...facts } = JSON.parse(text) as ClipIndex;
  const bytes = await readFile(join(folder, bytesFile));
  return {
    ...facts,
    name,
    frames: frames.map(({ key, parts }) => ({ key, parts: parts.map(([offset, length]) => bytes.subarray(offset, offset + length)) })),
  };
}

/**
 * Clips of about 2 s for tests, no set-up needed. `picture` is H.264 High 320×180, 25 fps, a key frame each 25 frames, with
 * bars (bars.ts) that count 0…49 of camera 15. The sounds are a 500 Hz tone, mono: AAC 48 kHz and G.711 8 kHz.
 */
export function loadTestClip(name: "picture" | "aac" | "pcma" | "pcmu"): Promise<Clip> {
  return loadClip(fileURLToPath(new URL("./test-clips", import.meta.url)), name);
}

/** Two mono L16 clips of one length as the channels of one: how an encoder behind a mixer sends two seats in one stream. */
export function pairChannels(left: Clip, right: Clip): Clip {
  for (const clip of [left, right]) if (clip.encoding !== "L16" || clip.channels !== 1) throw new Error(`${clip.name} is not mono L16`);
  if (left.clockRate !== right.clockRate || left.frames.length !== right.frames.length || left.frameTicks !== right.frameTicks)
    throw new Error(`${left.name} and ${right.name} differ in rate or length`);
  const frames = left.frames.map((frame, at) => ({ key: true, parts: [interleave(frame.parts[0], right.frames[at]?.parts[0])] }));
  return { ...left, name: `${left.name}+${right.name}`, channels: 2, frames };
}

function interleave(left: Buffer | undefined, right: Buffer | undefined): Buffer {
  if (!left || left.length !== right?.length) throw new Error("channels of different length");
  const both = Buffer.allocUnsafe(left.length * 2);
  for (let at = 0; at < left.length; at += 2) {
    left.copy(both, at * 2, at, at + 2);
    right.copy(both, at * 2 + 2, at, at + 2);
  }
  return both;
}
