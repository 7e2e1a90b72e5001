import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const setup = fileURLToPath(new URL("./setup", import.meta.url));
const INSTALL = "install -y --no-install-recommends";

/**
 * Set-up on a machine where g++ and fio are missing, in front of stand-ins for what tells and changes the machine: the user's id,
 * and what apt-get does with its n-th call (`$calls`). Answers what it said and how apt-get was called.
 */
function setUp(t: TestContext, { id, aptGet }: { id: number; aptGet: string }, ...words: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "xz-setup-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const asked = join(folder, "asked");
  writeFileSync(asked, "");
  const standIns = {
    id: `echo ${id}`,
    "dpkg-query": 'for name; do case $name in -* | g++ | fio) ;; *) echo "$name installed" ;; esac; done; exit 1',
    "apt-get": `echo "$*" >> ${asked}; calls=$(wc -l < ${asked}); ${aptGet}`,
  };
  for (const [name, script] of Object.entries(standIns)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o700);
  }
  const env = { ...process.env, PATH: [folder, process.env["PATH"]].join(delimiter), TMPDIR: folder };
  const { status, stderr } = spawnSync(setup, words, { env, encoding: "utf8" });
  return { status, said: stderr.trim().split("\n"), asked: readFileSync(asked, "utf8").trim().split("\n") };
}

test("whoever may not install gets the one line to do, with what is missing and nothing else", (t) => {
  const user = { id: 1000, aptGet: "exit 0" };
  const line = (names: string) => `Run: sudo apt-get update && sudo apt-get ${INSTALL} ${names}`;
  assert.deepEqual(setUp(t, user), { status: 1, said: [`setup: 1 Debian packages are missing. ${line("g++")}`], asked: [""] });
  const withTests = setUp(t, user, "--test");
  assert.deepEqual(withTests, { status: 1, said: [`setup: 2 Debian packages are missing. ${line("g++ fio")}`], asked: [""] });
});

test("root installs what is missing; apt-get's lists are fetched only if it can't without", (t) => {
  const { status, said, asked } = setUp(t, { id: 0, aptGet: "[ $calls -ne 1 ]" });
  assert.deepEqual({ status, asked }, { status: 0, asked: [`${INSTALL} g++`, "update", `${INSTALL} g++`] });
  assert.equal(said.at(-1), "setup: ready");
});

test("where apt-get can't, its last words and the line to do stand there", (t) => {
  const { status, said } = setUp(t, { id: 0, aptGet: "echo E: no such host; exit 100" });
  assert.equal(status, 1);
  assert.ok(said.includes("E: no such host"), said.join("\n"));
  assert.match(said.at(-1) ?? "", /Run: apt-get update && apt-get install -y --no-install-recommends g\+\+$/);
});
