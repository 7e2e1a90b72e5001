/**
 * Makes the demo's clips, once: `node make.ts <folder>`; what is there already is kept. `node make.ts --test-clips` makes
 * the small committed ones of device-drivers/src/sim/test-clips again.
 */
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { makePictures } from "./picture.ts";
import { type CameraPlan, cameras, type VoicePlan, voices } from "./plan.ts";
import { makeSound, speak, tone } from "./sound.ts";
import { isMade } from "./write.ts";

/** Raise it when the drawing or the encoding changes what a clip is. */
const version = 1;

/** 20 s of pictures; 20.48 s of sound, because 960 AAC frames are also whole packets of 10 and 20 ms. */
const loopFrames = 500;
const gopFrames = 50;
const loopAacFrames = 960;
const testAacFrames = 90;
const soundForms = ["aac", "pcma", "pcmu", "l16"] as const;

async function makeVoice(folder: string, plan: VoicePlan): Promise<void> {
  const recipe = JSON.stringify({ version, ...plan });
  const name = `${plan.room}-${plan.seat}`;
  if (await isMade(folder, `${name}-${soundForms.at(-1)}`, recipe)) return;
  const loop = await speak(plan, loopAacFrames);
  for (const form of soundForms) await makeSound(folder, recipe, `${name}-${form}`, form, loop);
  process.stderr.write(`  ${name}: voice\n`);
}

async function makeCamera(folder: string, plan: CameraPlan): Promise<void> {
  const recipe = JSON.stringify({ version, ...plan });
  const name = `${plan.room}-${plan.seat}`;
  if (await isMade(folder, `${name}-small`, recipe)) return;
  const progress = (frame: number) => {
    if (frame % 100 === 0) process.stderr.write(`  ${name}: ${frame} of ${loopFrames} frames\n`);
  };
  const forms: Parameters<typeof makePictures>[5] = [
    { name: `${name}-main`, width: 1920, height: 1080, kbitPerSecond: 3_000 },
    { name: `${name}-small`, width: 640, height: 360, kbitPerSecond: 500 },
  ];
  await makePictures(folder, recipe, plan, loopFrames, gopFrames, forms, progress);
}

async function makeTestClips(folder: string): Promise<void> {
  const plan: CameraPlan = { room: "test", seat: "test", camera: 15, title: "测试 · Test", figures: 1, wall: [110, 120, 140] };
  await makePictures(folder, String(version), plan, 50, 25, [{ name: "picture", width: 320, height: 180, kbitPerSecond: 80 }], () => {});
  const loop = tone(testAacFrames * 1024);
  for (const form of ["aac", "pcma", "pcmu"] as const) await makeSound(folder, String(version), form, form, loop);
}

const [argument] = process.argv.slice(2);
if (argument === undefined) throw new Error("usage: make.ts <folder> | --test-clips");
const testClips = argument === "--test-clips";
const folder = testClips ? fileURLToPath(new URL("../../device-drivers/src/sim/test-clips", import.meta.url)) : argument;
await mkdir(folder, { recursive: true });
if (testClips) await makeTestClips(folder);
else {
  for (const plan of voices) await makeVoice(folder, plan);
  for (const plan of cameras) await makeCamera(folder, plan);
}
