import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runSuite } from "./suite.ts";

async function runFiles(t: TestContext, sources: Record<string, string>, limitMs = 60_000) {
  const root = await mkdtemp(join(tmpdir(), "xiezhi-suite-"));
  t.after(() => rm(root, { recursive: true }));
  for (const [name, source] of Object.entries(sources)) await writeFile(join(root, name), `import { test } from "node:test";\n${source}`);
  const said: string[] = [];
  const result = await runSuite(root, { name: "tried", files: Object.keys(sources), filesAtOnce: 2, limitMs }, (text) => said.push(text));
  return { passed: result.passed, failed: result.failed, said: said.join("\n") };
}

test("passes and failures are counted, and a failure tells its name, place, reason and the file's output", async (t) => {
  const { passed, failed, said } = await runFiles(t, {
    "good.test.mjs": `test("one", () => {}); test("two", () => {});`,
    "bad.test.mjs": `test("three", () => { console.log("on the way"); throw new Error("the reason"); });`,
  });
  assert.deepEqual([passed, failed], [2, 1]);
  for (const part of ["three", "bad.test.mjs:2", "the reason", "on the way"]) assert.ok(said.includes(part), `${part} in ${said}`);
});

test("a file that does not load is a failure", async (t) => {
  const { passed, failed, said } = await runFiles(t, { "broken.test.mjs": `import "./absent.mjs";` });
  assert.deepEqual([passed, failed], [0, 1]);
  assert.match(said, /broken\.test\.mjs/);
});

test("a suite that does not end is killed at its limit and the file that hung is named", async (t) => {
  const { failed, said } = await runFiles(
    t,
    { "quick.test.mjs": `test("one", () => {});`, "hangs.test.mjs": `test("one", () => {}); setInterval(() => {}, 1000);` },
    2_000,
  );
  assert.equal(failed, 1);
  assert.match(said, /killed.*hangs\.test\.mjs/);
  assert.doesNotMatch(said, /quick/);
});

test("a process that a test leaves behind is named, killed and counted", async (t) => {
  const source = `import { spawn } from "node:child_process"; test("one", () => { spawn("sleep", ["347"], { stdio: "ignore" }).unref(); });`;
  const { passed, failed, said } = await runFiles(t, { "leaves.test.mjs": source });
  assert.deepEqual([passed, failed], [1, 1]);
  assert.match(said, /left running: sleep 347/);
});
