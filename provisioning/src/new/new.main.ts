/** Prints the files of something new: `npm run new:driver NAME`, likewise `new:module` and `new:page`. Writes all of them or nothing. */
import { fileURLToPath } from "node:url";
import { printFailure, Refusal } from "../failure.ts";
import type { Draft } from "./draft.ts";
import { newDriver } from "./driver.ts";
import { newModule } from "./module.ts";
import { newPage } from "./page.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

interface Kind {
  usage: string;
  words: 1 | 2;
  make(root: string, name: string, zh?: string): Draft;
  /** How to try it, and where to begin. */
  next(name: string): string;
}

const kinds: Record<string, Kind> = {
  driver: {
    usage: "npm run new:driver NAME, such as door-sensor",
    words: 1,
    make: newDriver,
    next: (name) => `npm test -- device-drivers/src/drivers/${name}; begin in .protocol.ts and .sim.ts: the wire from both sides`,
  },
  module: {
    usage: "npm run new:module NAME [中文名], such as judgments 判决",
    words: 2,
    make: newModule,
    next: (name) => `npm test -- hub/src/modules/${name} hub/src/modules/conformance.test.ts; begin in the .proto (then npm run generate)`,
  },
  page: {
    usage: "npm run new:page NAME [中文名], such as judgments 判决",
    words: 2,
    make: newPage,
    next: (name) => `npm test -- provisioning/test/${name}.e2e.ts; without a contract that lists ${name} it begins with the list of sites`,
  },
};

try {
  const [kindName = "", ...words] = process.argv.slice(2);
  const kind = kinds[kindName];
  if (!kind) throw new Refusal(`expected one of ${Object.keys(kinds).join(", ")}`);
  const [name, zh] = words;
  if (name === undefined || words.length > kind.words) throw new Refusal(`usage: ${kind.usage}`);
  const { paths } = kind.make(root, name, zh);
  process.stdout.write(`${paths.map((path) => `  ${path}`).join("\n")}\nTry it: ${kind.next(name)}\n`);
} catch (error) {
  printFailure(error);
}
