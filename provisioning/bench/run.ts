/**
 * Runs the benches: `node run.ts [NAME …] [options of the benches]`. A bench is a `*.bench.ts` anywhere; NAME is a part of its
 * path. Each prints one JSON line a figure (figure.ts); this adds whether the bar is met. Exits 1 when a bench breaks
 * or a bar is missed; with --control, when a bar is met that must not be.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { shareCompiledCode } from "../src/compiled.ts";
import { type Figure, PEER_MISSING } from "./figure.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const words = process.argv.slice(2);
const firstOption = words.findIndex((word) => word.startsWith("-"));
const names = firstOption < 0 ? words : words.slice(0, firstOption);
const options = firstOption < 0 ? [] : words.slice(firstOption);
const isControl = options.includes("--control");

const found = globSync("{protos,device-drivers,flows,media-pipeline,edge-agent,hub,provisioning}/**/*.bench.ts", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|gen)$/.test(path),
}).toSorted();
const wanted = found.filter((file) => names.length === 0 || names.some((name) => file.includes(name)));

shareCompiledCode();
let failures = wanted.length === 0 ? 1 : 0;
for (const file of wanted) failures += await run(file);
process.exitCode = failures === 0 ? 0 : 1;

/** Answers how many figures were not as they must be. */
async function run(file: string): Promise<number> {
  process.stderr.write(`${file}\n`);
  const child = spawn(process.execPath, [file, ...options], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let failures = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const figure = JSON.parse(line) as Figure;
    const met = meets(figure);
    if (met === isControl || (isControl && figure.peer === PEER_MISSING)) failures++;
    process.stdout.write(`${JSON.stringify(met === undefined ? figure : { ...figure, met })}\n`);
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  if (code === 0) return failures;
  process.stderr.write(`${file} ended with ${signal ?? code}\n`);
  return failures + 1;
}

/** Undefined where there is no bar. A peer that is missing meets nothing. */
function meets({ bar, ratio, ours, peer }: Figure): boolean | undefined {
  if (bar === undefined) return undefined;
  if (peer === PEER_MISSING) return false;
  const value = peer === null ? ours : (ratio ?? Number.NaN);
  return "atMost" in bar ? value <= bar.atMost : value >= bar.atLeast;
}
