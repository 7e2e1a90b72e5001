import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readLedger, type TakeModel, type TrackModel } from "@xiezhi/ledger/model.ts";
import { makeTake, type SimulatedTake } from "../sim/make-take.ts";
import { takePlaylist, trackPlaylist } from "./playlists.ts";

async function modelOf(t: TestContext, wanted: SimulatedTake): Promise<{ model: TakeModel; track: TrackModel }> {
  const folder = await mkdtemp(join(tmpdir(), "xz-play-"));
  t.after(() => rm(folder, { recursive: true }));
  const take = await makeTake(folder, wanted);
  const model = readLedger(readFileSync(take.files.ledger));
  return { model, track: model.tracks[0] as TrackModel };
}

interface Item {
  uri: string;
  seconds: number;
  gap: boolean;
  discontinuity: boolean;
  /** Of the stretch it is in. */
  map: string;
  utc: string | undefined;
  /** Position in the playlist. */
  atS: number;
}

/** Reads a media playlist as a player does (RFC 8216 4.3), and holds it to the rules that it must not break. */
function play(playlist: string): { items: Item[]; ended: boolean; type: string } {
  const lines = playlist.split("\n");
  assert.equal(lines[0], "#EXTM3U");
  assert.equal(lines.at(-1), "");
  const value = (tag: string) => lines.find((line) => line.startsWith(`#${tag}:`))?.slice(tag.length + 2) ?? "";
  const target = Number(value("EXT-X-TARGETDURATION"));
  const items: Item[] = [];
  let next: Partial<Item> = {};
  let map = "";
  let atS = 0;
  for (const line of lines) {
    if (line === "#EXT-X-GAP") next.gap = true;
    else if (line === "#EXT-X-DISCONTINUITY") next.discontinuity = true;
    else if (line.startsWith("#EXTINF:")) next.seconds = Number(/^#EXTINF:([0-9.]+),$/.exec(line)?.[1]);
    else if (line.startsWith("#EXT-X-MAP:")) map = /URI="([^"]+)"/.exec(line)?.[1] ?? "";
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) next.utc = line.slice(25);
    else if (line !== "" && !line.startsWith("#")) {
      assert.ok(next.seconds !== undefined && Math.round(next.seconds) <= target, line);
      items.push({ gap: false, discontinuity: false, utc: undefined, ...next, seconds: next.seconds, uri: line, map, atS });
      atS += next.seconds;
      next = {};
    }
  }
  for (const [at, item] of items.entries()) {
    const before = items.slice(0, at).findLast((other) => other.map !== "");
    if (before && before.map !== item.map) assert.ok(item.discontinuity, `${item.uri} changes its header without a discontinuity`);
    if (!item.gap) assert.notEqual(item.map, "");
  }
  return { items, ended: lines.includes("#EXT-X-ENDLIST"), type: value("EXT-X-PLAYLIST-TYPE") };
}

test("an ended take: whole, exact, at take time, also after gap and pause", async (t) => {
  const { model, track } = await modelOf(t, {
    tracks: [
      {
        id: "cam",
        kind: "video",
        gaps: [
          { fromS: 0, toS: 5 },
          { fromS: 40, toS: 90 },
        ],
      },
    ],
    seconds: 120,
    pauses: [{ fromS: 20, toS: 23 }],
    startUtcMs: Date.UTC(2026, 8, 28, 1, 0, 0),
  });
  const playlist = trackPlaylist(model, track, () => true);
  assert.ok(playlist.includes("\n#EXT-X-START:TIME-OFFSET=5.000000,PRECISE=YES\n"));
  const { items, ended, type } = play(playlist);
  assert.equal(ended, true);
  assert.equal(type, "VOD");
  const shown = items.filter(({ gap }) => !gap);
  assert.deepEqual(
    shown.map(({ uri, map, atS }) => [uri, map, Math.round(atS)]),
    [
      ["000000.m4s", "0.init.mp4", 5],
      ["000001.m4s", "0.init.mp4", 15],
      ["000002.m4s", "1.init.mp4", 23],
      ["000003.m4s", "1.init.mp4", 33],
      ["000004.m4s", "2.init.mp4", 90],
      ["000005.m4s", "2.init.mp4", 100],
      ["000006.m4s", "2.init.mp4", 110],
    ],
  );
  assert.deepEqual(
    shown.filter(({ utc }) => utc).map(({ utc }) => utc),
    ["2026-09-28T01:00:05.000Z", "2026-09-28T01:00:23.000Z", "2026-09-28T01:01:30.000Z"],
  );
  for (const [at, item] of items.entries())
    if (at > 0) assert.ok(Math.abs(item.atS - ((items[at - 1]?.atS ?? 0) + (items[at - 1]?.seconds ?? 0))) < 1e-6);
  assert.equal(items.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3), "120.000");
});

test("a segment that is not here is a gap of its length", async (t) => {
  const { model, track } = await modelOf(t, { tracks: [{ id: "cam", kind: "video" }], seconds: 40 });
  assert.ok(!trackPlaylist(model, track, () => true).includes("#EXT-X-START"));
  const playlist = trackPlaylist(model, track, (segment) => segment !== 0 && segment !== 2);
  assert.ok(playlist.includes("\n#EXT-X-START:TIME-OFFSET=10.000000,PRECISE=YES\n"));
  const { items } = play(playlist);
  assert.deepEqual(
    items.map(({ uri, gap, atS }) => [uri, gap, atS]),
    [
      ["000000.m4s", true, 0],
      ["000001.m4s", false, 10],
      ["000002.m4s", true, 20],
      ["000003.m4s", false, 30],
    ],
  );
});

test("a running take only ever grows: what is late at its end is not listed, what is late in the middle is a gap", async (t) => {
  const { model, track } = await modelOf(t, { tracks: [{ id: "cam", kind: "video" }], seconds: 45, running: true });
  const listed = (here: readonly number[]) => play(trackPlaylist(model, track, (segment) => here.includes(segment)));
  assert.deepEqual([listed([]).items.length, listed([]).ended, listed([]).type], [0, false, "EVENT"]);
  assert.deepEqual(
    listed([0, 1]).items.map(({ uri }) => uri),
    ["000000.m4s", "000001.m4s"],
  );
  assert.deepEqual(
    listed([0, 3]).items.map(({ gap }) => gap),
    [false, true, true, false],
  );
});

test("a segment whose parcels are all lost is a gap; one with some is played", async (t) => {
  const { model, track } = await modelOf(t, {
    tracks: [{ id: "mic", kind: "audio", lostParcels: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12] }],
    seconds: 20,
  });
  const { items } = play(trackPlaylist(model, track, () => true));
  assert.deepEqual(
    items.map(({ gap }) => gap),
    [true, false],
  );
});

test("the master names each picture and microphone, and no label breaks out of its quotes", async (t) => {
  const { model } = await modelOf(t, {
    tracks: [
      { id: "cam-judge", kind: "video" },
      { id: "mic-judge", kind: "audio" },
      { id: "mic-clerk", kind: "audio" },
    ],
    seconds: 12,
  });
  (model.tracks[1] as TrackModel).label = '审判长"\n#EXT-X-ENDLIST';
  const lines = takePlaylist(model).split("\n");
  assert.equal(lines.filter((line) => line.startsWith("#EXT-X-MEDIA:")).length, 2);
  assert.ok(lines.some((line) => line.includes('NAME="审判长__#EXT-X-ENDLIST"')));
  const variants = lines.filter((line) => line.startsWith("#EXT-X-STREAM-INF:"));
  assert.equal(variants.length, 1);
  assert.match(variants[0] ?? "", /BANDWIDTH=\d+,CODECS="avc1\.640028,mp4a\.40\.2",RESOLUTION=1920x1080,NAME="cam-judge",AUDIO="sound"/);
  assert.equal(lines[lines.indexOf(variants[0] as string) + 1], "cam-judge/index.m3u8");
});
