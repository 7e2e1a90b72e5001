import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedPageClock } from "../clock.sim.ts";
import { endS, nextFeedStep, presenceAt } from "./feeding.ts";
import { catchUp, nextAppend, type Queued } from "./live-feed.ts";
import { followedS, isLeftBehind, mostSteer, PageTime, steer } from "./page-time.ts";
import { parsePlaylist, type Segment } from "./playlist.ts";

const base = "http://localhost:1/media/takes/t/cam-judge/index.m3u8";
const zeroMs = Date.parse("2026-11-24T01:00:00.000Z");

function segments(...spans: [number, number][]): Segment[] {
  return spans.map(([startS, durationS], index) => ({ uri: `${index}.m4s`, mapUri: "0.init.mp4", startS, durationS, missing: false }));
}

test("a playlist's segments lie where the date says, also after a stretch that began late", () => {
  const playlist = parsePlaylist(
    [
      "#EXTM3U",
      "#EXT-X-VERSION:7",
      '#EXT-X-MAP:URI="0.init.mp4"',
      "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T01:00:05.000Z",
      "#EXTINF:10.000,",
      "000000.m4s",
      "#EXTINF:9.5,",
      "000001.m4s",
      "#EXT-X-DISCONTINUITY",
      '#EXT-X-MAP:URI="1.init.mp4"',
      "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T01:01:00.000Z",
      "#EXT-X-GAP",
      "#EXTINF:10,",
      "000002.m4s",
      "#EXT-X-ENDLIST",
      "",
    ].join("\r\n"),
    base,
    zeroMs,
  );
  assert.deepEqual(
    playlist.segments.map((it) => [it.startS, it.durationS, it.missing, it.mapUri.slice(-10)]),
    [
      [5, 10, false, "0.init.mp4"],
      [15, 9.5, false, "0.init.mp4"],
      [60, 10, true, "1.init.mp4"],
    ],
  );
  assert.equal(playlist.segments[1]?.uri, "http://localhost:1/media/takes/t/cam-judge/000001.m4s");
  assert.equal(playlist.ended, true);
});

test("an empty or foreign playlist is no segment, and not ended", () => {
  assert.deepEqual(parsePlaylist("", base, zeroMs), { segments: [], ended: false });
  assert.deepEqual(parsePlaylist("<html>\n#EXTM3U\n", base, zeroMs).segments.length, 1);
});

test("the segment under the play head comes first, then those ahead, then nothing", () => {
  const all = segments([0, 10], [10, 10], [20, 10], [30, 10], [40, 10], [50, 10]);
  const inMemory = new Set<string>();
  const asked: string[] = [];
  for (;;) {
    const step = nextFeedStep(all, inMemory, new Set(), 12);
    if (step.do !== "append") break;
    asked.push(step.segment.uri);
    inMemory.add(step.segment.uri);
  }
  assert.deepEqual(asked, ["1.m4s", "2.m4s", "3.m4s"]);
});

test("far away segments are let go after a jump, and a missing or failed one is passed over", () => {
  const all = segments([0, 10], [10, 10], [100, 10], [110, 10]);
  all[2]!.missing = true;
  const step = nextFeedStep(all, new Set(["0.m4s", "1.m4s"]), new Set(["3.m4s"]), 105);
  assert.deepEqual([step.do, step.do === "remove" && step.fromS], ["remove", 0]);
  assert.equal(nextFeedStep(all, new Set(), new Set(["3.m4s"]), 105).do, "wait");
});

test("before a late camera there is nothing, within a hole too; past the end of a running take it is not yet", () => {
  const all = segments([5, 10], [30, 10]);
  const at = (s: number, running = false) => presenceAt(all, new Set(), running, s);
  assert.deepEqual([at(2), at(7), at(20), at(35), at(41)], ["nothing", "there", "nothing", "there", "nothing"]);
  assert.deepEqual([at(41, true), presenceAt([], new Set(), true, 0)], ["notYet", "notYet"]);
  assert.equal(endS(all[1]!), 40);
});

test("page time stands, runs, changes rate and seeks without losing its place", () => {
  const clock = new SimulatedPageClock();
  const time = new PageTime(clock);
  clock.advanceMs(500);
  assert.equal(time.atS, 0);
  time.run(true);
  clock.advanceMs(2_000);
  time.setRate(2);
  clock.advanceMs(1_000);
  assert.equal(time.atS, 4);
  time.run(false);
  clock.advanceMs(9_000);
  assert.equal(time.atS, 4);
  time.seek(100);
  time.run(true);
  clock.advanceMs(250);
  assert.equal(time.atS, 100.5);
});

/** Plays an element beside a running page until it is within 20 ms; how many ticks of 40 ms that took. */
function ticksToComeBack(startAheadS: number, most: number): number {
  let aheadS = startAheadS;
  let standing = false;
  let ticks = 0;
  for (; Math.abs(aheadS) > 0.02; ticks++) {
    const steering = steer(aheadS, standing, 1, most);
    assert.ok(steering.do !== "seek" && ticks < 100);
    standing = steering.do === "stand";
    aheadS += 0.04 * (steering.do === "play" ? steering.rate : 0) - 0.04;
  }
  return ticks;
}

test("an element 80 ms off comes to within 20 ms in a second, a picture sooner than sound, without decoding anew", () => {
  for (const aheadS of [0.08, -0.08, 0.25, -0.2]) assert.ok(ticksToComeBack(aheadS, mostSteer.video) <= 25, String(aheadS));
  assert.ok(ticksToComeBack(-0.08, mostSteer.audio) > ticksToComeBack(-0.08, mostSteer.video));
});

test("one that ran ahead stands until the page has come; seconds off it jumps; in place it runs at the page's rate", () => {
  assert.deepEqual(steer(0.1, false, 1, 0.3), { do: "stand" });
  assert.deepEqual(steer(0.05, true, 1, 0.3), { do: "stand" });
  assert.equal(steer(0.05, false, 1, 0.3).do, "play");
  assert.deepEqual(steer(-2.5, false, 1, 0.3), { do: "seek" });
  assert.deepEqual(steer(-2.5, false, 2, 0.3).do, "play");
  assert.deepEqual(steer(0.005, false, 1.5, 0.3), { do: "play", rate: 1.5 });
  assert.deepEqual([isLeftBehind(-0.31), isLeftBehind(-0.2), isLeftBehind(1)], [true, false, false]);
});

test("page time follows where most elements are, not a straggler, and not one that must jump", () => {
  assert.equal(followedS([]), 0);
  assert.equal(followedS([-0.1, -0.1, -0.1, 0.2]), -0.05);
  assert.equal(followedS([-0.2, 0, 0.005, 0.01]), 0);
  assert.equal(followedS([-2]), 0);
});

test("a live picture jumps when it is more than 350 ms behind or outside of what is there, else it stays", () => {
  assert.equal(catchUp(5, undefined), undefined);
  assert.equal(catchUp(100, { startS: 98, endS: 100.34 }), undefined);
  assert.equal(catchUp(100, { startS: 98, endS: 100.4 })?.toFixed(2), "100.34");
  assert.equal(catchUp(0, { startS: 864_000, endS: 864_002 }), 864_001.94);
  assert.equal(catchUp(200, { startS: 100, endS: 101 }), 100.94, "the room's clock began anew");
});

test("a hidden page's queue is cut to the last key frame, keeping its header", () => {
  const chunk = (key: boolean): Queued => ({ data: new Uint8Array(1), key });
  const header: Queued = { data: new Uint8Array(1), key: false, codec: "avc1.640028" };
  const few = [header, chunk(true), chunk(false)];
  assert.deepEqual(nextAppend(few), few);
  const many = [header, ...Array.from({ length: 300 }, (_, i) => chunk(i % 50 === 0))];
  const cut = nextAppend(many);
  assert.deepEqual([cut.length, cut[0]?.codec, cut[1]?.key], [51, "avc1.640028", true]);
});
