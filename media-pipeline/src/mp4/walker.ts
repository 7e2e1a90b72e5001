import { boxesIn, findBox, type FoundBox } from "./boxes.ts";

interface FoundSample {
  /** In the bytes that were walked. */
  offset: number;
  bytes: number;
  durationTicks: number;
  compositionOffset: number;
  key: boolean;
}

/** A complete moof+mdat in a segment. */
export interface FoundChunk {
  /** Of moof, in the bytes that were walked. */
  offset: number;
  bytes: number;
  /** Decode time, in ticks of the track. */
  ticks: number;
  durationTicks: number;
  /** Its first sample decodes without others. */
  key: boolean;
  samples: FoundSample[];
}

const NOT_SYNC = 0x00010000;

/**
 * The complete chunks of a segment's bytes from `offset` on, in order, as this package writes them (all facts of a sample
 * in trun). Lost parcels are passed over (FORMAT.md, 4). What is torn or makes no sense ends the walk without an error.
 */
export function* walkChunks(bytes: Buffer, offset = 0): Generator<FoundChunk> {
  let moof: FoundBox | undefined;
  for (const found of boxesIn(bytes, offset)) {
    if (found.type === "free") continue;
    if (found.type === "moof") moof = found;
    else if (found.type === "mdat" && moof) {
      const chunk = readChunk(bytes, moof, found);
      if (!chunk) return;
      yield chunk;
      moof = undefined;
    } else if (found.type !== "free") return;
  }
}

function readChunk(bytes: Buffer, moof: FoundBox, mdat: FoundBox): FoundChunk | undefined {
  const tfdt = findBox(bytes, ["traf", "tfdt"], moof.start, moof.end);
  const trun = findBox(bytes, ["traf", "trun"], moof.start, moof.end);
  if (!tfdt || tfdt.end - tfdt.start < 12 || !trun) return undefined;
  const samples = readSamples(bytes, trun, moof.start - 8, mdat);
  const [first] = samples ?? [];
  if (!samples || !first) return undefined;
  const offset = moof.start - 8;
  const durationTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
  const ticks = Number(bytes.readBigUInt64BE(tfdt.start + 4));
  return { offset, bytes: mdat.end - offset, ticks, durationTicks, key: first.key, samples };
}

/** Undefined when the samples do not lie in mdat. */
function readSamples(bytes: Buffer, trun: FoundBox, moofAt: number, mdat: FoundBox): FoundSample[] | undefined {
  if (trun.end - trun.start < 12 || bytes.readUInt32BE(trun.start) !== 0x01000f01) return undefined;
  const count = bytes.readUInt32BE(trun.start + 4);
  if (trun.end - trun.start !== 12 + count * 16) return undefined;
  let offset = moofAt + bytes.readInt32BE(trun.start + 8);
  if (offset !== mdat.start) return undefined;
  const samples: FoundSample[] = [];
  for (let at = trun.start + 12; at < trun.end; at += 16) {
    const size = bytes.readUInt32BE(at + 4);
    const key = (bytes.readUInt32BE(at + 8) & NOT_SYNC) === 0;
    samples.push({ offset, bytes: size, durationTicks: bytes.readUInt32BE(at), compositionOffset: bytes.readInt32BE(at + 12), key });
    offset += size;
  }
  return offset === mdat.end ? samples : undefined;
}
