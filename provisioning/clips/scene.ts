import { drawBars } from "@xiezhi/drivers/sim/bars.ts";
import type { CameraPlan } from "./plan.ts";

/** One drawn frame in I420: a luma plane, then both colour planes at half the width and height. */
export interface Scene {
  width: number;
  height: number;
  /** Draws frame `index`; the same memory is used again by the next call. */
  draw(index: number): Buffer;
}

interface Figure {
  texture: Uint8Array;
  width: number;
  height: number;
  left: number;
  top: number;
  swayPixels: number;
  /** Whole swings a loop, so that its last frame leads into the first. */
  swings: number;
}

/**
 * A room with figures that sway, the camera's name, its frame number in digits and in bars. The figures are grainy: flat
 * shapes would cost the encoder nothing and stand for no real camera. `title` is a luma picture of the name, `titleWidth` wide.
 */
export function drawScene(
  plan: CameraPlan,
  loopFrames: number,
  width: number,
  height: number,
  title: Uint8Array,
  titleWidth: number,
): Scene {
  const random = randomFrom(plan.camera);
  const background = drawRoom(plan, width, height, random);
  placeTitle(background, width, height, title, titleWidth);
  const figures = Array.from({ length: plan.figures }, (_, at) => makeFigure(plan, at, width, height, random));
  const frame = Buffer.from(background);
  const draw = (index: number) => {
    background.copy(frame);
    for (const figure of figures) place(frame, width, figure, index / loopFrames);
    drawDigits(frame, width, index);
    drawBars(frame, width, index, plan.camera);
    return frame;
  };
  return { width, height, draw };
}

function drawRoom(plan: CameraPlan, width: number, height: number, random: () => number): Buffer {
  const [luma, u, v] = plan.wall;
  const pixels = width * height;
  const room = Buffer.alloc((pixels * 3) / 2);
  for (let y = 0; y < height; y++) {
    const panelled = y > height * 0.72 ? -34 : 0;
    for (let x = 0; x < width; x++) {
      const seam = x % Math.round(width / 12) < 3 ? -14 : 0;
      room[y * width + x] = luma + panelled + seam - Math.round((y / height) * 20) + Math.round((random() - 0.5) * 10);
    }
  }
  room.fill(u, pixels, pixels + pixels / 4);
  room.fill(v, pixels + pixels / 4);
  return room;
}

function makeFigure(plan: CameraPlan, at: number, width: number, height: number, random: () => number): Figure {
  const size = Math.round(height * (plan.figures > 2 ? 0.3 : 0.5));
  const texture = new Uint8Array(size * size);
  const robe = 44 + Math.round(random() * 40);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const head = Math.hypot(x - size / 2, y - size * 0.28) < size * 0.2;
      const body = Math.hypot((x - size / 2) * 0.9, y - size) < size * 0.5;
      if (head || body) texture[y * size + x] = (head ? 168 : robe) + Math.round((random() - 0.5) * 24);
    }
  const share = (at + 0.5) / plan.figures;
  return {
    texture,
    width: size,
    height: size,
    left: Math.round(share * width - size / 2),
    top: Math.round(height * 0.86 - size),
    swayPixels: Math.round((width / plan.figures - size * 0.6) / 4),
    swings: 2 + ((plan.camera + at) % 4),
  };
}

/** Draws where the texture isn't 0, luma only. */
function place(frame: Buffer, width: number, figure: Figure, turn: number): void {
  const left = figure.left + Math.round(Math.sin(turn * figure.swings * 2 * Math.PI) * figure.swayPixels);
  for (let y = 0; y < figure.height; y++)
    for (let x = 0; x < figure.width; x++) {
      const luma = figure.texture[y * figure.width + x];
      if (luma && left + x >= 0 && left + x < width) frame[(figure.top + y) * width + left + x] = luma;
    }
}

function placeTitle(background: Buffer, width: number, height: number, title: Uint8Array, titleWidth: number): void {
  const left = Math.round(width / 80);
  const rows = title.length / titleWidth;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < titleWidth; x++) {
      const luma = title[y * titleWidth + x] ?? 0;
      if (luma > 40) background[(height - rows - 8 + y) * width + left + x] = luma;
    }
}

/** Which of the seven strokes each digit has: top, upper right, lower right, bottom, lower left, upper left, middle. */
const strokesOf = [0b1111110, 0b0110000, 0b1101101, 0b1111001, 0b0110011, 0b1011011, 0b1011111, 0b1110000, 0b1111111, 0b1111011];

function drawDigits(frame: Buffer, width: number, index: number): void {
  const unit = Math.round(width / 160);
  [...String(index).padStart(3, "0")].forEach((digit, place) => {
    const left = Math.round(width / 80) + place * unit * 6;
    const top = Math.round(width / 80) * 3;
    const strokes: [number, number, number, number][] = [
      [0, 0, 4, 1],
      [3, 0, 1, 4],
      [3, 4, 1, 4],
      [0, 7, 4, 1],
      [0, 4, 1, 4],
      [0, 0, 1, 4],
      [0, 3, 4, 1],
    ];
    strokes.forEach(([x, y, across, down], stroke) => {
      if (((strokesOf[Number(digit)] ?? 0) >> (6 - stroke)) & 1)
        for (let row = 0; row < down * unit; row++) {
          const from = (top + y * unit + row) * width + left + x * unit;
          frame.fill(235, from, from + across * unit);
        }
    });
  });
}

/** The same numbers 0…1 for the same camera on every machine (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed * 7919;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
