import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { roomKeyName } from "@xiezhi/ledger/checkpoint.ts";
import type { EntryInit } from "@xiezhi/ledger/entries.ts";
import { formatVerifierKey, type Signer, verifierOf } from "@xiezhi/ledger/note.ts";
import { GapCause, InterruptionReason, TrackKind } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { LedgerFile } from "../ledger-file.ts";
import { sha256 } from "../signing.ts";
import { freeBox, storedTakeFilesIn, type TakeFiles, takeFilesIn } from "../take-files.ts";
import { blindMedia, type SimulatedMedia } from "./blind-media.ts";

export interface SimulatedTrack {
  id: string;
  kind: "video" | "audio";
  seatId?: string;
  /** Seconds of the take without this track, declared as a gap; it comes back as a new stretch. */
  gaps?: { fromS: number; toS: number }[];
  /** Sequences of parcels that are declared lost: free boxes stand in their place. */
  lostParcels?: number[];
}

export interface SimulatedTake {
  tracks: readonly SimulatedTrack[];
  /** Whole seconds. */
  seconds: number;
  takeId?: string;
  siteId?: string;
  roomId?: string;
  hearingId?: string;
  caseReferences?: string[];
  title?: string;
  startUtcMs?: number;
  signer?: Signer;
  /** Where tracks lie: as in a spool (also an export), or as in a hub's store. */
  layout?: "spool" | "store";
  /** What chunks hold. Absent: boxes with noise. */
  media?: SimulatedMedia;
  pauses?: { fromS: number; toS: number }[];
  marks?: { atS: number; type: string; text: string }[];
  /** From this whole second on all tracks are sealed. */
  sealedFromS?: number;
  /** Still recording: no end entry. */
  running?: boolean;
}

export interface MadeTake {
  takeId: string;
  folder: string;
  files: TakeFiles;
  signer: Signer;
  verifierKey: string;
}

const VIDEO_TIMESCALE = 90_000;
const SOUND_TIMESCALE = 48_000;
const SEGMENT_S = 10;

export function simulatedSigner(siteId = "court-1", roomId = "courtroom-1"): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    name: roomKeyName(siteId, roomId),
    publicKey: publicKey.export({ format: "der", type: "spki" }).subarray(-32),
    sign: (message) => sign(null, message, privateKey),
  };
}

/** Makes a valid take out of nothing below `folder`, for tests: real ledger, signed checkpoints, headers, finished segments. */
export async function makeTake(folder: string, wanted: SimulatedTake): Promise<MadeTake> {
  const siteId = wanted.siteId ?? "court-1";
  const roomId = wanted.roomId ?? "courtroom-1";
  const takeId = wanted.takeId ?? randomUUID();
  const signer = wanted.signer ?? simulatedSigner(siteId, roomId);
  const files = wanted.layout === "store" ? storedTakeFilesIn(folder) : takeFilesIn(folder);
  mkdirSync(folder, { recursive: true });
  const startUtcMs = wanted.startUtcMs ?? Date.UTC(2026, 8, 28, 1, 0, 0);
  const verifierKey = formatVerifierKey(verifierOf(sha256, signer));
  writeFileSync(files.verifierKey, `${verifierKey}\n`);
  const ledger = await LedgerFile.open(folder, takeId, signer);
  const enter = (atS: number, what: EntryInit["what"]) =>
    ledger.append([{ takeUs: BigInt(Math.round(atS * 1e6)), utcMs: BigInt(Math.round(startUtcMs + atS * 1e3)), what } as EntryInit]);

  const tracks = wanted.tracks.map((track, at) => new TrackMaker(track, at + 1, wanted, files, wanted.media ?? blindMedia(takeId)));
  enter(0, {
    case: "takeStart",
    value: {
      takeId,
      siteId,
      roomId,
      hearingId: wanted.hearingId ?? "",
      caseReferences: wanted.caseReferences ?? [],
      title: wanted.title ?? "",
      userId: "user-1",
      userName: "书记员",
      requestId: "request-1",
      tracks: tracks.map((track) => track.declared),
      digestAlgorithm: "SHA-256",
      signatureAlgorithm: "Ed25519",
      formatVersion: "1",
      utcUs: BigInt(startUtcMs) * 1000n,
    },
  });
  enter(0, { case: "mark", value: { markId: randomUUID(), type: "start", userId: "user-1" } });
  for (let second = 0; second < wanted.seconds; second++) {
    for (const mark of wanted.marks ?? [])
      if (Math.floor(mark.atS) === second)
        enter(mark.atS, { case: "mark", value: { markId: randomUUID(), type: mark.type, text: mark.text } });
    for (const [at, pause] of (wanted.pauses ?? []).entries()) {
      const value = { interruptionId: `pause-${at}`, reason: InterruptionReason.ADJOURN, decidedBy: "审判长" };
      if (pause.fromS === second) enter(second, { case: "interruption", value: { ...value, ends: false } });
      if (pause.toS === second) enter(second, { case: "interruption", value: { ...value, ends: true } });
    }
    if (second === wanted.sealedFromS) enter(second, { case: "seal", value: { sealId: "seal-1", decidedBy: "审判长" } });
    for (const track of tracks) for (const what of track.second(second)) enter(second + 1, what);
    if (second % 10 === 9) await ledger.checkpoint();
  }
  for (const track of tracks) for (const what of track.finish()) enter(wanted.seconds, what);
  if (!wanted.running) {
    enter(wanted.seconds, { case: "mark", value: { markId: randomUUID(), type: "end", userId: "user-1" } });
    enter(wanted.seconds, { case: "end", value: { userId: "user-1", reason: "pressed" } });
  }
  await ledger.checkpoint();
  ledger.close();
  return { takeId, folder, files, signer, verifierKey };
}

/** Writes one track's files and says what the ledger gets. */
class TrackMaker {
  readonly declared: { number: number; id: string; kind: TrackKind; deviceId: string; seatId: string; label: string; timescale: number };
  private readonly track: SimulatedTrack;
  private readonly wanted: SimulatedTake;
  private readonly files: TakeFiles;
  private readonly media: SimulatedMedia;
  private stretch = -1;
  private segment = -1;
  private sequence = 0;
  private open: { fromS: number; pieces: Buffer[]; bytes: number } | undefined;
  private unbroken = false;

  constructor(track: SimulatedTrack, number: number, wanted: SimulatedTake, files: TakeFiles, media: SimulatedMedia) {
    this.track = track;
    this.wanted = wanted;
    this.files = files;
    this.media = media;
    const video = track.kind === "video";
    this.declared = {
      number,
      id: track.id,
      kind: video ? TrackKind.VIDEO : TrackKind.AUDIO,
      deviceId: `device-${track.id}`,
      seatId: track.seatId ?? "",
      label: track.id,
      timescale: video ? VIDEO_TIMESCALE : SOUND_TIMESCALE,
    };
  }

  /** What happens in the second that begins there. */
  *second(second: number): Generator<EntryInit["what"]> {
    const { number, timescale } = this.declared;
    const gap = this.track.gaps?.find(({ fromS, toS }) => fromS <= second && second < toS);
    if (gap || this.wanted.pauses?.some(({ fromS, toS }) => fromS <= second && second < toS)) {
      this.closeFile();
      this.unbroken = false;
      if (gap && second === gap.toS - 1) yield { case: "gap", value: gapEntry(number, gap.fromS * 1e6, gap.toS * 1e6) };
      return;
    }
    if (!this.unbroken) yield this.beginStretch(second);
    if (!this.open) this.open = this.openFile(second);
    const { pieces, ticks, durationTicks } = this.media.second(this.track.kind, second * timescale, this.declared.number);
    const data = Buffer.concat(pieces);
    const lost = this.track.lostParcels?.includes(this.sequence) ?? false;
    const offset = this.open.bytes;
    this.open.pieces.push(lost ? freeBox(data.length) : data);
    this.open.bytes += data.length;
    const closesSegment = second + 1 - this.open.fromS >= SEGMENT_S || second + 1 === this.wanted.seconds;
    yield {
      case: "parcel",
      value: {
        track: number,
        stretch: this.stretch,
        sequence: BigInt(this.sequence++),
        ticks: BigInt(ticks),
        durationTicks,
        bytes: data.length,
        digest: sha256(data),
        segment: this.segment,
        offsetInSegment: offset,
        key: true,
        closesSegment,
      },
    };
    if (closesSegment) this.closeFile();
  }

  *finish(): Generator<EntryInit["what"]> {
    this.closeFile();
    for (const sequence of this.track.lostParcels ?? [])
      yield { case: "gap", value: { ...gapEntry(this.declared.number, 0, 0), parts: [], lostParcels: [BigInt(sequence)] } };
  }

  private beginStretch(second: number): EntryInit["what"] {
    this.unbroken = true;
    this.stretch++;
    const { header, ...facts } = this.media.header(this.track.kind, this.declared.number);
    write(this.files.header(this.track.id, this.stretch), header);
    const { number, timescale } = this.declared;
    const anchor = {
      track: number,
      stretch: this.stretch,
      sourceTicks: BigInt(second * timescale),
      sourceRate: timescale,
      ticks: BigInt(second * timescale),
    };
    return {
      case: "stretchStart",
      value: { track: number, stretch: this.stretch, headerDigest: sha256(header), headerBytes: header.length, ...facts, anchor },
    };
  }

  private openFile(second: number): { fromS: number; pieces: Buffer[]; bytes: number } {
    this.segment++;
    return { fromS: second, pieces: [], bytes: 0 };
  }

  private closeFile(): void {
    if (this.open) write(this.files.segment(this.track.id, this.segment), Buffer.concat(this.open.pieces));
    this.open = undefined;
  }
}

function gapEntry(track: number, fromUs: number, toUs: number) {
  const span = { fromUs: BigInt(fromUs), toUs: BigInt(toUs) };
  return { track, ...span, parts: [{ cause: GapCause.CONNECTING, ...span }] };
}

function write(file: string, bytes: Buffer): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}
