/** Everything that is checked without running the product: `npm run check`. Ends with the line `N passed, N failed`. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@xiezhi/base/clock.ts";
import { glossaryRules } from "./glossary.ts";
import { houseRules } from "./house.ts";
import { sourceRules } from "./source-rules.ts";
import { readTree } from "./tree.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Step {
  name: string;
  /** What is wrong; empty when nothing is. */
  run(): Promise<string>;
}

/** A program of node_modules/.bin; its output is the complaint if it exits with anything but 0. */
function program(name: string, command: string, ...words: string[]): Step {
  const run = () =>
    new Promise<string>((resolve) => {
      const options = { cwd: root, maxBuffer: 64 << 20 };
      execFile(join(root, "node_modules/.bin", command), words, options, (error, stdout, stderr) => {
        resolve(error ? `${stdout}${stderr}`.trim() || error.message : "");
      });
    });
  return { name, run };
}

function rules(): string {
  const tree = readTree(root);
  return [...houseRules(tree), ...sourceRules(tree), ...glossaryRules(tree)].join("\n");
}

// Two at a time, the slowest first.
const steps: Step[] = [
  program("types", "tsc", "-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", "node_modules/.xiezhi-setup/types.tsbuildinfo"),
  program("lint", "oxlint", "--type-aware", "--deny-warnings"),
  program("generated code", "node", "protos/bin/generate.ts", "--check"),
  program("dead code", "knip", "--no-progress", "--reporter", "compact"),
  program("generated docs", "node", "provisioning/check/docs.ts", "--check"),
  program("format", "biome", "format", "--reporter=summary"),
  { name: "house, files, words", run: async () => rules() },
];

let passed = 0;
let failed = 0;

async function work(waiting: Step[]): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const begunUs = systemClock.monoUs();
    const wrong = await step.run();
    const seconds = ((systemClock.monoUs() - begunUs) / 1e6).toFixed(1);
    process.stdout.write(`${wrong ? "✖" : "✔"} ${step.name.padEnd(20)} ${seconds.padStart(5)} s\n${wrong ? `${wrong}\n` : ""}`);
    if (wrong) failed++;
    else passed++;
  }
}

await Promise.all([work(steps), work(steps)]);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
