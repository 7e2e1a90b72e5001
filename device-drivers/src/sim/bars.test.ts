import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { drawBars, readBars } from "./bars.ts";

test("every frame and camera number is read back, also from a smaller copy", () => {
  for (const [frame, camera] of [
    [0, 0],
    [1, 15],
    [256, 8],
    [499, 7],
    [511, 15],
  ] as const) {
    const luma = new Uint8Array(640 * 20).fill(90);
    drawBars(luma, 640, frame, camera);
    assert.deepEqual(
      readBars((x, y) => luma[y * 640 + x] ?? 0, 640),
      { frame, camera },
    );
    assert.deepEqual(
      readBars((x, y) => luma[y * 2 * 640 + x * 2] ?? 0, 320),
      { frame, camera },
    );
  }
});

test("a picture without bars, or with one square changed, gives nothing", () => {
  const luma = new Uint8Array(640 * 20).fill(90);
  assert.equal(
    readBars(() => 90, 640),
    undefined,
  );
  drawBars(luma, 640, 123, 4);
  assert.equal(
    readBars((x, y) => (x > 40 && x < 48 ? 255 - (luma[y * 640 + x] ?? 0) : (luma[y * 640 + x] ?? 0)), 640),
    undefined,
  );
});

test("the committed test picture counts 0 to 49 of camera 15 after decoding", async () => {
  const [width, height] = [320, 180];
  const file = fileURLToPath(new URL("./test-clips/picture.h264", import.meta.url));
  const words = [
    "-q",
    "filesrc",
    `location=${file}`,
    "!",
    "h264parse",
    "!",
    "avdec_h264",
    "!",
    "videoconvert",
    "!",
    "video/x-raw,format=GRAY8",
    "!",
    "fdsink",
  ];
  const { stdout } = await promisify(execFile)("gst-launch-1.0", words, { encoding: "buffer", maxBuffer: 16 << 20 });
  const seen = Array.from({ length: stdout.length / (width * height) }, (_, at) => {
    const frame = stdout.subarray(at * width * height);
    return readBars((x, y) => frame[y * width + x] ?? 0, width);
  });
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, frame) => ({ frame, camera: 15 })),
  );
});
