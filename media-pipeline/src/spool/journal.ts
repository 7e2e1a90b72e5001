import { closeSync, openSync, readSync } from "node:fs";

const PIECE_BYTES = 1024 * 1024;

/**
 * What a capture worker writes down for the ledger, one JSON object a line, in `journal/<workerId>.ndjson` of the take's
 * folder. Names follow protos/xiezhi/ledger/v1; digests are hex. The worker knows no ledger: the agent turns lines into
 * entries after it has synced the files they speak of. A torn last line is no line.
 */
export interface AnchorLine {
  track: number;
  stretch: number;
  sourceTicks: number;
  sourceRate: number;
  ticks: number;
  arrivedUtcUs: number;
  reportSourceTicks?: number;
  reportUtcUs?: number;
}

export interface StretchLine {
  track: number;
  stretch: number;
  headerDigest: string;
  headerBytes: number;
  codec: string;
  width: number;
  height: number;
  channels: number;
  encoderDelayTicks: number;
  encodedFrom: string;
  anchor: AnchorLine;
}

export interface ParcelLine {
  track: number;
  stretch: number;
  sequence: number;
  ticks: number;
  durationTicks: number;
  bytes: number;
  digest: string;
  segment: number;
  offsetInSegment: number;
  key: boolean;
  damaged: boolean;
  closesSegment: boolean;
}

export type GapReason = "dead" | "connecting" | "waitingKeyFrame" | "lostPackets" | "spoolFull";

export interface GapLine {
  track: number;
  /** Take time, microseconds; parts are contiguous and fill [fromUs, toUs). */
  fromUs: number;
  toUs: number;
  parts: { cause: GapReason; fromUs: number; toUs: number }[];
  lostPackets: number;
}

/** Not for the ledger: what a source was doing, so that a worker after this one can tell a gap's parts. */
export interface SourceLine {
  track: number;
  state: "connecting" | "waitingKeyFrame" | "running" | "paused";
  /** Take time, microseconds. */
  atUs: number;
}

export type JournalLine =
  | { stretch: StretchLine }
  | { anchor: AnchorLine }
  | { parcel: ParcelLine }
  | { gap: GapLine }
  | { source: SourceLine };

/** The complete lines of `bytes`, and how many bytes they are. A line that is no JSON ends the reading: what follows can't be trusted. */
export function readLines(bytes: Buffer): { lines: JournalLine[]; bytes: number } {
  const lines: JournalLine[] = [];
  let at = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
    const line = parsed(bytes.toString("utf8", at, end));
    if (line === undefined) break;
    lines.push(line);
    at = end + 1;
  }
  return { lines, bytes: at };
}

/** All complete lines of a journal, piece by piece: one of a long day has some hundred megabytes. */
export function* journalLines(file: string): Generator<JournalLine> {
  const descriptor = openSync(file, "r");
  try {
    for (let at = 0, rest = Buffer.alloc(0); ; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const got = readSync(descriptor, piece, 0, PIECE_BYTES, at);
      if (got === 0) return;
      at += got;
      const bytes = Buffer.concat([rest, piece.subarray(0, got)]);
      const read = readLines(bytes);
      yield* read.lines;
      rest = bytes.subarray(read.bytes);
      if (rest.includes(10)) return;
    }
  } finally {
    closeSync(descriptor);
  }
}

function parsed(text: string): JournalLine | undefined {
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return undefined;
  }
}
