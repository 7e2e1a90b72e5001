import { create } from "@bufbuild/protobuf";
import { type Entry, type Link, TrackKind, type TakeStart } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import {
  GapInfoSchema,
  MarkInfoSchema,
  SpanSchema,
  StretchSchema,
  type Take,
  TakeState,
  type TrackInfo,
  TrackInfoSchema,
} from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";

/** What an entry means for hearings; done in the transaction that projects it. */
export type Effect =
  | { kind: "began"; start: TakeStart; atUs: number }
  | { kind: "linked"; link: Link; atUs: number }
  | { kind: "unlinked"; hearingId: string; atUs: number }
  | { kind: "ended"; atUs: number };

const SPAN_TYPES = { interruption: "paused", seal: "sealed", mask: "masked" } as const;

/** Enters one entry into the take that is shown. The same entries in the same order always give the same take. */
export function project(take: Take, entry: Entry): Effect | undefined {
  const { what, takeUs, utcMs } = entry;
  const running = take.state !== TakeState.ENDED;
  let effect: Effect | undefined;
  switch (what.case) {
    case "takeStart":
      begin(take, what.value);
      effect = { kind: "began", start: what.value, atUs: Number(takeUs) };
      break;
    case "stretchStart": {
      const { track, stretch, codec, width, height, anchor } = what.value;
      const info = trackOf(take, track);
      const fromUs = info && anchor ? usOf(info, anchor.ticks) : takeUs;
      info?.stretches.push(create(StretchSchema, { number: stretch, codec, width, height, fromUs, toUs: fromUs }));
      break;
    }
    case "parcel": {
      const info = trackOf(take, what.value.track);
      if (!info) break;
      const endUs = usOf(info, what.value.ticks + BigInt(what.value.durationTicks));
      info.parcels += 1n;
      info.bytes += BigInt(what.value.bytes);
      const stretch = info.stretches.find(({ number }) => number === what.value.stretch);
      if (stretch) stretch.toUs = endUs;
      if (running && endUs > take.lengthUs) take.lengthUs = endUs;
      break;
    }
    case "mark": {
      const { markId, type, text, userName } = what.value;
      take.marks.push(create(MarkInfoSchema, { id: markId, type, text, userName, atUs: takeUs }));
      break;
    }
    case "gap": {
      const { track, fromUs, toUs, parts, lostPackets } = what.value;
      if (toUs > fromUs) take.gaps.push(create(GapInfoSchema, { track, fromUs, toUs, parts, lostPackets }));
      break;
    }
    case "interruption":
      span(take, SPAN_TYPES.interruption, what.value.interruptionId, takeUs, { ...what.value, tracks: [] });
      if (running) take.state = what.value.ends ? TakeState.RECORDING : TakeState.PAUSED;
      break;
    case "seal":
      span(take, SPAN_TYPES.seal, what.value.sealId, takeUs, what.value);
      break;
    case "mask":
      span(take, SPAN_TYPES.mask, what.value.maskId, takeUs, what.value);
      break;
    case "link":
      effect = what.value.ends
        ? { kind: "unlinked", hearingId: what.value.hearingId, atUs: Number(takeUs) }
        : { kind: "linked", link: what.value, atUs: Number(takeUs) };
      break;
    case "end":
      if (takeUs > take.lengthUs) take.lengthUs = takeUs;
      take.state = TakeState.ENDED;
      take.endedAtMs = utcMs;
      for (const open of take.spans.filter(({ toUs }) => toUs === 0n)) open.toUs = take.lengthUs;
      effect = { kind: "ended", atUs: Number(take.lengthUs) };
      break;
  }
  if (running && takeUs > take.lengthUs) take.lengthUs = takeUs;
  return effect;
}

function begin(take: Take, start: TakeStart): void {
  take.id = start.takeId;
  take.siteId = start.siteId;
  take.roomId = start.roomId;
  take.title = start.title;
  take.startedBy = start.userName;
  take.startedAtMs = start.utcUs / 1_000n;
  take.state = TakeState.RECORDING;
  take.tracks = start.tracks.map(({ number, id, kind, seatId, label, timescale }) =>
    create(TrackInfoSchema, {
      number,
      id,
      kind: kind === TrackKind.VIDEO ? TrackKind.VIDEO : TrackKind.AUDIO,
      seatId,
      label,
      timescale,
      playlist: `${mediaBaseOf(start.takeId)}/${id}/index.m3u8`,
    }),
  );
}

/** Where the media of a take are served, relative to the portal. */
export function mediaBaseOf(takeId: string): string {
  return `/media/takes/${takeId}`;
}

interface Ends {
  ends: boolean;
  decidedBy: string;
  tracks: number[];
  reason?: number;
}

function span(take: Take, type: string, id: string, atUs: bigint, { ends, decidedBy, tracks, reason = 0 }: Ends): void {
  if (!ends) take.spans.push(create(SpanSchema, { id, type, fromUs: atUs, decidedBy, tracks, reason }));
  else for (const open of take.spans) if (open.id === id && open.toUs === 0n) open.toUs = atUs;
}

function trackOf(take: Take, number: number): TrackInfo | undefined {
  return take.tracks.find((track) => track.number === number);
}

function usOf({ timescale }: TrackInfo, ticks: bigint): bigint {
  return (ticks * 1_000_000n) / BigInt(Math.max(1, timescale));
}
