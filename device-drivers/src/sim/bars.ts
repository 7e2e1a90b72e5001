/**
 * The frame number that machines read off a picture: a row of 16 squares, black or white, at the top left. They stand at a
 * fixed share of the picture's width, so the second stream and a scaled canvas carry the same bars.
 * From left to right: white, black (how bright is which), nine bits of the frame's number in its loop and four of the
 * camera's, most significant first, and one that makes the number of white squares even.
 */
const squares = 16;
const frameBits = 9;
const cameraBits = 4;
const white = 235;
const black = 16;

/** Side of one square in pixels: 24 at 1920, 8 at 640, 4 at 320. The row begins one side from the left and the top edge. */
function side(width: number): number {
  return width / 80;
}

/** Draws into a luma plane (8 bit, `width` bytes a row). `frame` counts to 511, `camera` to 15. */
export function drawBars(luma: Uint8Array, width: number, frame: number, camera: number): void {
  const edge = side(width);
  bits(frame, camera).forEach((bit, index) => {
    const left = edge * (index + 1);
    for (let y = edge; y < edge * 2; y++) luma.fill(bit ? white : black, y * width + left, y * width + left + edge);
  });
}

/** Reads the bars; `lumaAt` gives 0…255 for a pixel. Undefined where no valid bars stand. */
export function readBars(lumaAt: (x: number, y: number) => number, width: number): { frame: number; camera: number } | undefined {
  const edge = side(width);
  const seen = Array.from({ length: squares }, (_, index) => lumaAt(Math.floor(edge * (index + 1.5)), Math.floor(edge * 1.5)));
  const [bright = 0, dark = 0] = seen;
  if (bright - dark < 80) return undefined;
  const read = seen.map((luma) => luma > (bright + dark) / 2);
  if (read.filter(Boolean).length % 2 !== 0) return undefined;
  return { frame: number(read.slice(2, 2 + frameBits)), camera: number(read.slice(2 + frameBits, 2 + frameBits + cameraBits)) };
}

function bits(frame: number, camera: number): boolean[] {
  const value = [true, false, ...binary(frame, frameBits), ...binary(camera, cameraBits)];
  return [...value, value.filter(Boolean).length % 2 === 1];
}

function binary(value: number, length: number): boolean[] {
  return Array.from({ length }, (_, index) => ((value >> (length - 1 - index)) & 1) === 1);
}

function number(read: boolean[]): number {
  return read.reduce((value, bit) => value * 2 + Number(bit), 0);
}
