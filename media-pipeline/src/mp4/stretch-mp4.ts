import { type FileHandle, open, readFile } from "node:fs/promises";
import { box, findBox, u32 } from "./boxes.ts";
import { movie, type MovieParts } from "./movie.ts";
import { SampleTable } from "./sample-table.ts";
import { type FoundChunk, walkChunks } from "./walker.ts";

interface StretchFiles {
  /** Its initialisation header. */
  header: string;
  /** Its segments, in order. One is in memory at a time. */
  segments: readonly string[];
  to: string;
  signal?: AbortSignal;
}

interface WrittenStretch {
  /** Take time, in ticks of the track. */
  startTicks: number;
  endTicks: number;
  samples: number;
}

/** Of the mdat box, whose length may need 64 bits. */
const MDAT_HEAD_BYTES = 16;

/**
 * One stretch as an ordinary MP4 with its index in front, no byte of picture or sound changed (DECISIONS 14). An edit list
 * puts it at its take time. Undefined, and no file, when it holds no sample.
 * Throws RangeError when the header is none of ours, AbortError, and what the disk says.
 */
export async function writeStretchMp4({ header, segments, to, signal }: StretchFiles): Promise<WrittenStretch | undefined> {
  const facts = readHeader(await readFile(header));
  const table = new SampleTable();
  let samples = 0;
  for (const segment of segments)
    for (const chunk of await readChunks(segment, signal)) {
      table.add(chunk);
      samples += chunk.samples.length;
    }
  if (table.empty) return undefined;
  const handle = await open(to, "w", 0o600);
  try {
    await handle.appendFile(fileHead(facts, table));
    for (const segment of segments) await copySamples(segment, handle, signal);
  } finally {
    await handle.close();
  }
  return { startTicks: table.startTicks, endTicks: table.endTicks, samples };
}

type HeaderFacts = Pick<MovieParts, "kind" | "width" | "height" | "timescale"> & { description: Buffer };

function readHeader(bytes: Buffer): HeaderFacts {
  const path = (...inner: string[]) => {
    const found = findBox(bytes, ["moov", "trak", ...inner]);
    if (!found || found.end - found.start < 16) throw new RangeError("no initialisation header");
    return found;
  };
  const tkhd = path("tkhd");
  const mdhd = path("mdia", "mdhd");
  const stsd = path("mdia", "minf", "stbl", "stsd");
  const handler = path("mdia", "hdlr");
  const kind = bytes.toString("latin1", handler.start + 8, handler.start + 12) === "vide" ? "video" : "audio";
  const size = (at: number) => Math.floor(bytes.readUInt32BE(at) / 65_536);
  const timescale = bytes.readUInt32BE(mdhd.start + 20);
  return { kind, width: size(tkhd.end - 8), height: size(tkhd.end - 4), timescale, description: bytes.subarray(stsd.start - 8, stsd.end) };
}

/** ftyp, moov and the head of mdat. The index holds where the data lies, and its length does not depend on that. */
function fileHead({ description, ...facts }: HeaderFacts, table: SampleTable): Buffer {
  const ftyp = box("ftyp", Buffer.from("isom"), u32(0x200), Buffer.from("isomiso6mp41"));
  const ends = table.finish();
  const index = (dataAt: number) => movie({ ...facts, ...ends, samples: Buffer.concat([description, table.boxes(dataAt, facts.kind)]) });
  const dataAt = ftyp.length + index(0).length + MDAT_HEAD_BYTES;
  const mdat = Buffer.alloc(MDAT_HEAD_BYTES);
  mdat.writeUInt32BE(1, 0);
  mdat.write("mdat", 4, "latin1");
  mdat.writeBigUInt64BE(BigInt(MDAT_HEAD_BYTES + table.bytes), 8);
  return Buffer.concat([ftyp, index(dataAt), mdat]);
}

async function readChunks(segment: string, signal: AbortSignal | undefined): Promise<FoundChunk[]> {
  return [...walkChunks(await readFile(segment, { signal }))];
}

async function copySamples(segment: string, to: FileHandle, signal: AbortSignal | undefined): Promise<void> {
  const bytes = await readFile(segment, { signal });
  const pieces = [...walkChunks(bytes)].flatMap(({ samples }) =>
    samples.map(({ offset, bytes: length }) => bytes.subarray(offset, offset + length)),
  );
  await to.appendFile(Buffer.concat(pieces));
}
