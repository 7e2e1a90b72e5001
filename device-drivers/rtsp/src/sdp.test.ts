import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { audioSpecificConfig, parameterSets, parseSdp, writeSdp } from "./sdp.ts";

const camera = [
  "v=0",
  "o=- 1109162014219182 1109162014219192 IN IP4 0.0.0.0",
  "s=Media Server",
  "c=IN IP4 0.0.0.0",
  "t=0 0",
  "a=control:rtsp://10.0.4.7/live/",
  "m=video 0 RTP/AVP 96",
  "b=AS:5000",
  "a=rtpmap:96 h264/90000",
  "a=fmtp:96 Profile-Level-Id=640028; packetization-mode=1;sprop-parameter-sets=Z2QAKKzoA8AR,aO48gA==",
  "a=control:trackID=1",
  "m=audio 0 RTP/AVP 97",
  "a=rtpmap:97 mpeg4-generic/48000/2",
  "a=fmtp:97 streamtype=5;mode=AAC-hbr;sizeLength=13;config=1190",
  "a=control:trackID=2",
  "m=audio 0 RTP/AVP 8",
  "m=audio 0 RTP/AVP 0",
  "a=sendonly",
  "a=control:backchannel",
  "m=application 0 RTP/AVP 107",
  "a=rtpmap:107 vnd.onvif.metadata/90000",
  "m=audio 0 RTP/AVP 99",
  "a=rtpmap:99 L16/48000/6",
].join("\r\n");

test("tracks of a camera, with the parameters that decoding needs", () => {
  const { control, tracks } = parseSdp(camera);
  assert.equal(control, "rtsp://10.0.4.7/live/");
  const brief = tracks.map((t) => [t.index, t.kind, t.encoding, t.clockRate, t.channels, t.payloadType, t.control]);
  assert.deepEqual(brief, [
    [0, "video", "H264", 90_000, 1, 96, "trackID=1"],
    [1, "audio", "MPEG4-GENERIC", 48_000, 2, 97, "trackID=2"],
    [2, "audio", "PCMA", 8_000, 1, 8, ""],
    [5, "audio", "L16", 48_000, 6, 99, ""],
  ]);
  assert.deepEqual({ ...tracks[1]?.fmtp }, { streamtype: "5", mode: "AAC-hbr", sizelength: "13", config: "1190" });
  assert.deepEqual(parameterSets(tracks[0]?.fmtp ?? {}), [Buffer.from("67640028ace803c011", "hex"), Buffer.from("68ee3c80", "hex")]);
  assert.deepEqual(audioSpecificConfig(tracks[1]?.fmtp ?? {}), Buffer.from("1190", "hex"));
});

test("H.265 sets come in decoding order; a config that is no hex is none", () => {
  const fmtp = { "sprop-pps": "RAHA", "sprop-sps": "QgEB", "sprop-vps": "QAEM" };
  assert.deepEqual(
    parameterSets(fmtp).map((nal) => nal.toString("hex")),
    ["40010c", "420101", "4401c0"],
  );
  for (const config of ["", "1", "119", "zz90", "11 90"]) assert.equal(audioSpecificConfig({ config }), undefined);
});

test("LF alone, and media whose format can't be known or is out of bounds", () => {
  const text = (map: string) => `v=0\nm=audio 0 RTP/AVP 96\na=rtpmap:96 ${map}\n`;
  assert.equal(parseSdp(text("PCMU/8000")).tracks.length, 1);
  for (const map of ["PCMU/0", "PCMU/9999999", "PCMU/8000/999", "PCMU", "../../x/8000"])
    assert.deepEqual(parseSdp(text(map)).tracks, [], map);
  assert.deepEqual(parseSdp("m=video 0 RTP/AVP\nm=video 0 RTP/AVP x\nm=video 0 RTP/AVP 300\nm=video\nm=\na=\n=").tracks, []);
  assert.equal(parseSdp("m=audio 0 RTP/AVP 0\n".repeat(10_000)).tracks.length <= 64, true);
});

test("names of format parameters can't reach what objects inherit", () => {
  const [track] = parseSdp("m=audio 0 RTP/AVP 0\na=fmtp:0 __proto__=x;constructor=y\n").tracks;
  assert.equal(track?.fmtp["toString"], undefined);
  assert.deepEqual(Object.keys(track?.fmtp ?? {}).sort(), ["__proto__", "constructor"]);
});

test("what is written is read back", () => {
  const written = [
    { kind: "video", encoding: "H264", clockRate: 90_000, channels: 1, payloadType: 96, fmtp: "packetization-mode=1" },
    { kind: "audio", encoding: "L16", clockRate: 48_000, channels: 2, payloadType: 97, fmtp: "" },
  ] as const;
  const { control, tracks } = parseSdp(writeSdp(written));
  assert.equal(control, "*");
  for (const [index, { fmtp, ...rest }] of written.entries()) {
    const parameters = Object.entries(tracks[index]?.fmtp ?? {}).map(([name, value]) => `${name}=${value}`);
    assert.deepEqual({ ...tracks[index], fmtp: parameters.join(";") }, { ...rest, fmtp, index, control: `trackID=${index}` });
  }
});

test("any text gives a description within bounds", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 a=b;=;c", "a=control:", "m=audio 0 RTP/AVP 8"),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
      for (const track of parseSdp(lines.join("\n")).tracks)
        assert.ok(track.clockRate > 0 && track.channels > 0 && track.payloadType < 128);
    }),
    { numRuns: 300 },
  );
});
