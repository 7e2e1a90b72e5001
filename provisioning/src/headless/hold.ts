import type { Clock } from "@xiezhi/base/clock.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { CasesService, Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { HearingKind, HearingsService, Publicity, SecrecyLevel } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { type Desk, RoomService, SourceState } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { ReadingCopyState, type Take, TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { isTransient } from "@xiezhi/protos/errors.ts";
import { clientOf, type Link } from "@xiezhi/rpc/client.ts";
import type { HearingReport } from "./report.ts";

/** Longest that sources may take to run before a start; a room that is not ready by then starts as it is. */
const READY_WITHIN_MS = 15_000;
const HELD_WITHIN_MS = 60_000;

export interface Held extends Pick<HearingReport, "hearing" | "case" | "room" | "take" | "steps" | "buttonToFirstParcelMs"> {
  takeInfo: Take;
}

export interface HoldOptions {
  link: Link;
  clock: Clock;
  siteId: string;
  roomId: string;
  /** For how long it is listed. */
  seconds: number;
  /** Tracks that are not waited for. */
  withoutTracks: number;
  say(what: string): void;
  /** Called when the button is pressed. */
  pressed(): void;
  /** What goes on while it records; the hearing is ended when it resolves. */
  recording(takeId: string): Promise<void>;
}

/** What a clerk does, by the same calls as the Desk: list a case, start, wait, end, see that the hub holds it all. */
export async function holdOneHearing(options: HoldOptions): Promise<Held> {
  const { link, roomId, say } = options;
  const rooms = clientOf(RoomService, link);
  const { hearingId, caseNumber } = await listHearing(options);
  await roomReady(options);
  say("start");
  options.pressed();
  const steps: HearingReport["steps"] = [];
  let started: { takeId: string; buttonToFirstParcelMs: number } | undefined;
  for await (const { what } of rooms.start({ requestId: newId(), roomId, hearingId })) {
    if (what.case === "step") {
      const { device, step, ok, ms, reason } = what.value;
      steps.push({ device, step, ok, ms, ...(reason === "" ? {} : { reason }) });
      say(`  ${ok ? "ok" : "NOT"} ${device} ${step} ${ms} ms ${reason}`);
    } else if (what.case === "started") started = what.value;
  }
  if (!started) throw new Error("the start ended without a take");
  const { takeId } = started;
  say(`recording take ${takeId}`);
  await options.recording(takeId);
  await rooms.end({ requestId: newId(), roomId, takeId });
  say("ended, waiting until the hub holds all of it");
  const takeInfo = await allHeld(options, takeId);
  return {
    hearing: hearingId,
    case: caseNumber,
    room: roomId,
    take: takeId,
    steps,
    buttonToFirstParcelMs: started.buttonToFirstParcelMs,
    takeInfo,
  };
}

/** A case and its hearing, listed from now on. */
export async function listHearing({
  link,
  clock,
  siteId,
  roomId,
  seconds,
}: Pick<HoldOptions, "link" | "clock" | "siteId" | "roomId" | "seconds">): Promise<{ hearingId: string; caseNumber: string }> {
  const now = clock.nowMs();
  const number = `（${new Date(now).getUTCFullYear()}）粤0304民初${(now % 90_000_000) + 1}号`;
  const parties = [
    { role: "原告", name: "王小明" },
    { role: "被告", name: "李建国" },
  ];
  const created = await clientOf(CasesService, link).createCase({
    requestId: newId(),
    siteId,
    number,
    title: "王小明诉李建国民间借贷纠纷",
    cause: "民间借贷纠纷",
    procedure: Procedure.SIMPLIFIED,
    parties,
  });
  const { hearing } = await clientOf(HearingsService, link).createHearing({
    requestId: newId(),
    roomId,
    kind: HearingKind.TRIAL,
    caseIds: [created.case?.id ?? ""],
    listedFromMs: BigInt(now),
    listedToMs: BigInt(now + seconds * 1e3 + 3_600_000),
    procedure: Procedure.SIMPLIFIED,
    publicity: Publicity.PUBLIC,
    secrecy: SecrecyLevel.ORDINARY,
  });
  return { hearingId: hearing?.id ?? "", caseNumber: created.case?.number?.text ?? "" };
}

/** Looks at the Desk as a page does, until every source runs. Looking keeps the room warm. */
async function roomReady({ link, clock, roomId, withoutTracks, say }: HoldOptions): Promise<void> {
  const rooms = clientOf(RoomService, link);
  const deadlineMs = clock.nowMs() + READY_WITHIN_MS;
  let last: Desk | undefined;
  while (clock.nowMs() < deadlineMs) {
    const patience = new AbortController();
    const timer = clock.after(Math.max(1, deadlineMs - clock.nowMs()), () => patience.abort());
    try {
      for await (const { what } of rooms.watchDesk({ roomId }, { signal: patience.signal })) {
        if (what.case !== "desk") continue;
        last = what.value;
        if (last.tracks.filter(({ source }) => source !== SourceState.RUNNING).length <= withoutTracks) return;
      }
    } catch (error) {
      if (patience.signal.aborted) break;
      if (!isTransient(error)) throw error;
      await clock.sleep(200);
    } finally {
      timer.cancel();
    }
  }
  const waiting = last?.tracks.filter(({ source }) => source !== SourceState.RUNNING).map(({ id, reason }) => `${id} ${reason}`);
  say(`not all sources run: ${waiting?.join(", ") ?? "the room does not answer"}`);
}

/** The take, once it has ended and the hub holds all of it twice. */
export async function allHeld({ link, clock, say }: Pick<HoldOptions, "link" | "clock" | "say">, takeId: string): Promise<Take> {
  const takes = clientOf(TakesService, link);
  const deadlineMs = clock.nowMs() + HELD_WITHIN_MS;
  for (let take: Take | undefined; ; await clock.sleep(200)) {
    take = (await takes.getTake({ takeId }).catch(notThereYet))?.take;
    const copies = take?.copies;
    const whole = take?.endedAtMs && copies && copies.parcelsHeld + copies.parcelsLost >= copies.parcelsKnown;
    const copied = whole && copies.segmentsTwice >= copies.segmentsFinished;
    const heard = take?.readingCopy?.state === ReadingCopyState.READY || take?.readingCopy?.state === ReadingCopyState.FAILED;
    if (take && copied && heard) return take;
    if (clock.nowMs() <= deadlineMs) continue;
    say(`the hub holds ${copies?.parcelsHeld ?? 0} of ${copies?.parcelsKnown ?? 0} parcels after ${HELD_WITHIN_MS / 1e3} s`);
    if (take) return take;
    throw new Error(`the hub never heard of take ${takeId}`);
  }
}

/** The take appears at the hub when its ledger does. */
function notThereYet(error: unknown): undefined {
  if (error instanceof Error && "code" in error && (error.code === "NOT_FOUND" || error.code === "UNAVAILABLE")) return undefined;
  throw error;
}
