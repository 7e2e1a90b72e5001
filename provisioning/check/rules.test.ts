import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { glossaryRules } from "./glossary.ts";
import { houseRules } from "./house.ts";
import { sourceRules } from "./source-rules.ts";
import { readTree, type Tree } from "./tree.ts";

const real = readTree(fileURLToPath(new URL("../..", import.meta.url)));
const manifests = [...real].filter(([path]) => path.endsWith("/package.json"));

/** The real packages with nothing in them but these files. */
function houseWith(files: Record<string, string>): Tree {
  return new Map([...manifests, ...Object.entries(files)]);
}

function refuses(rules: (tree: Tree) => string[], files: Record<string, string>, because: RegExp): void {
  const found = rules(houseWith(files));
  assert.equal(found.length, 1, found.join("\n"));
  assert.match(found[0] ?? "", because);
}

test("the house as it stands keeps its rules", () => {
  assert.deepEqual([...houseRules(real), ...sourceRules(real), ...glossaryRules(real)], []);
});

test("an arrow that the table does not have is refused, whether by name or by path", () => {
  refuses(houseRules, { "hub/src/a.ts": `import { x } from "@xiezhi/drivers/registry.ts";` }, /hub may not import @xiezhi\/drivers/);
  refuses(houseRules, { "hub/src/a.ts": `const x = await import("@xiezhi/edge-agent/main.ts");` }, /edge-agent/);
  refuses(houseRules, { "hub/src/a.ts": `import type { X } from "../portal/src/x.ts";` }, /reaches into hub\/portal/);
  refuses(houseRules, { "protos/src/a.ts": `export * from "@xiezhi/base/clock.ts";` }, /protos may not import/);
  assert.deepEqual(houseRules(houseWith({ "hub/src/a.ts": `import { x } from "@xiezhi/base/clock.ts"; import "./b.ts";` })), []);
});

test("a package.json that says something else than the table is refused", () => {
  const hub = JSON.stringify({ name: "@xiezhi/hub", dependencies: { "@xiezhi/protos": "0.1.0" } });
  refuses(houseRules, { "hub/package.json": hub }, /hub\/package\.json: must be/);
  refuses(houseRules, { "hub/new/package.json": "{}" }, /no package of the house/);
});

test("what a browser loads has nothing of Node, its tests may", () => {
  refuses(houseRules, { "media-pipeline/ledger/src/a.ts": `import { createHash } from "node:crypto";` }, /not there in a browser/);
  assert.deepEqual(houseRules(houseWith({ "hub/portal/src/a.test.ts": `import { test } from "node:test";` })), []);
});

test("simulators are reached from tests and the demo only", () => {
  refuses(houseRules, { "edge-agent/src/a.ts": `import { x } from "@xiezhi/drivers/sim/clips.ts";` }, /is a simulator/);
  refuses(houseRules, { "device-drivers/src/registry.ts": `import { x } from "./drivers/a/a.sim.ts";` }, /is a simulator/);
  assert.deepEqual(houseRules(houseWith({ "edge-agent/src/a.test.ts": `import { x } from "@xiezhi/drivers/sim/clips.ts";` })), []);
});

test("time is asked in clock.ts only; words in strings and comments don't count", () => {
  for (const code of ["Date.now()", "new Date()", "setTimeout(() => {}, 1)", "performance.now()", "AbortSignal.timeout(5)"])
    refuses(sourceRules, { "hub/src/a.ts": `export const x = ${code};` }, /only in clock\.ts/);
  refuses(sourceRules, { "hub/src/a.ts": `import { setTimeout as s } from "node:timers/promises";` }, /only in clock\.ts/);
  assert.deepEqual(sourceRules(houseWith({ "hub/src/a.ts": `// setTimeout(1)\nexport const x = "Date.now()"; new Date(5);` })), []);
});

test("sizes, names, left-overs and strangers at the top are refused", () => {
  refuses(sourceRules, { "hub/src/a.ts": "\n".repeat(401) }, /401 lines/);
  const crowd = Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`hub/src/x/a${at}.ts`, ""]));
  refuses(sourceRules, crowd, /16 source files/);
  refuses(sourceRules, { "hub/src/utils/a.ts": "" }, /says nothing/);
  refuses(sourceRules, { "hub/src/a.ts": ["// TO", "DO later"].join("") }, /unfinished/);
  refuses(sourceRules, { "hub/src/a.ts": ["// @ts-", "ignore"].join("") }, /not silenced/);
  refuses(sourceRules, { "hub/src/a.test.ts": ["test.on", 'ly("x");'].join("") }, /unskipped/);
  refuses(sourceRules, { "server/a.ts": "" }, /at the top/);
  refuses(sourceRules, { "hub/src/a.ts": "const t = `xiezhi/$${site}/+/state`;" }, /spells topics/);
});

test("a noun of the contract or the hub that the glossary lacks is refused, and a row that says too little", () => {
  const known = [...real].filter(([path]) => path === "docs/glossary.md");
  const wrong = (files: Record<string, string>) => glossaryRules(new Map([...known, ...Object.entries(files)]));
  assert.deepEqual(wrong({ "hub/src/modules/cases/cases.module.ts": "" }), []);
  assert.deepEqual(wrong({ "hub/src/modules/wombats/a.ts": "" }), ["docs/glossary.md: wombats is missing"]);
  const thin = (known[0]?.[1] ?? "").replace("| the program of one room |", "| |");
  assert.deepEqual(wrong({ "docs/glossary.md": thin }), ["docs/glossary.md: agent lacks one of its four columns"]);
});
