import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Refusal } from "../src/failure.ts";
import { Draft } from "../src/new/draft.ts";
import { newDriver } from "../src/new/driver.ts";
import { newModule } from "../src/new/module.ts";
import { newPage } from "../src/new/page.ts";

const here = fileURLToPath(new URL("../..", import.meta.url));
/** A copy of what git has and would have, with the installed packages behind links; those of ours are the copy's own. */
let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "xz-new-"));
  for (const path of git(here, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    .split("\0")
    .filter((path) => path !== ""))
    await cp(join(here, path), join(root, path));
  await mkdir(join(root, "node_modules/@xiezhi"), { recursive: true });
  for (const name of await readdir(join(here, "node_modules")))
    if (name !== "@xiezhi") await symlink(join(here, "node_modules", name), join(root, "node_modules", name));
  for (const name of await readdir(join(here, "node_modules/@xiezhi")))
    await symlink(await readlink(join(here, "node_modules/@xiezhi", name)), join(root, "node_modules/@xiezhi", name));
  await symlink(join(here, "provisioning/node_modules"), join(root, "provisioning/node_modules"));
  git(root, "init", "-q");
  git(root, "add", "--all");
});

after(() => rm(root, { recursive: true, force: true }));

function git(folder: string, ...words: string[]): string {
  return execFileSync("git", words, { cwd: folder, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** What differs from the copy as it was made. */
function changed(): string {
  return git(root, "diff", "--name-only") + git(root, "ls-files", "--others", "--exclude-standard");
}

async function run(program: string, ...words: string[]): Promise<void> {
  // Without NODE_TEST_CONTEXT, by which node would take these for tests inside a test and run nothing.
  const options = { cwd: root, env: { ...process.env, NODE_TEST_CONTEXT: undefined }, maxBuffer: 64 << 20 };
  await promisify(execFile)(join(root, "node_modules/.bin", program), words, options).catch((error: Error & { stdout?: string }) =>
    assert.fail(`${error.message}\n${error.stdout}`),
  );
}

test("a bad name is refused with what was expected, one that is there already too, and nothing is written", () => {
  const refused: [() => Draft, RegExp][] = [
    [() => newDriver(root, "Door Sensor"), /"Door Sensor" .* expected small letters.* such as door-sensor/],
    [() => newDriver(root, "../door"), /expected small letters/],
    [() => newDriver(root, "class"), /"class" already means something/],
    [() => newDriver(root, "clock"), /"clock" already means something/],
    [() => newDriver(root, "rtsp-audio"), /there is a driver of that name already: .* expected a new name/],
    [() => newModule(root, "judgment"), /"judgment" .* expected its plural.* such as judgments/],
    [() => newModule(root, "process"), /expected its plural/],
    [() => newModule(root, "../judgments"), /expected its plural/],
    [() => newModule(root, "judgments", "Urteil"), /"Urteil" is no Chinese name/],
    [() => newModule(root, "tables"), /"tables?" already means something/],
    [() => newModule(root, "calls"), /"call" already means something/i],
    [() => newModule(root, "cases"), /there is a module or contract of that name already/],
    [() => newModule(root, "rights"), /there is a module or contract of that name already/],
    [() => newPage(root, "Judgments"), /expected its plural/],
    [() => newPage(root, "audits"), /there is a page of that name already/],
  ];
  for (const [make, because] of refused)
    assert.throws(make, (error) => error instanceof Refusal && because.test(error.message), String(because));
  assert.equal(changed(), "");
});

test("what can't be finished leaves nothing", () => {
  const draft = new Draft(root);
  draft.copy("device-drivers/src/template/sample-device", { sampleDevice: "halfDone" }, (name) => `hub/src/half/done/${name}`);
  draft.insert("README.md", /^# .*\n/m, "half done\n");
  assert.throws(() => draft.insert("README.md", /^/m, "anywhere"), /expected exactly one place/);
  assert.throws(() => draft.write([["--eval", "process.exit(1)"]]));
  assert.equal(changed(), "");
});

test("what is printed has no word of a sample left, its types hold and its tests pass", async () => {
  const drafts = [
    newDriver(root, "door-sensor"),
    newModule(root, "judgments", "判决"),
    newPage(root, "judgments"), // lists what the module's contract lists
    newPage(root, "summonses"), // without a contract
  ];
  const paths = [...new Set(drafts.flatMap((draft) => draft.paths))];
  const fresh = paths.filter((path) => /door-sensor|judgments|summonses/.test(path));
  for (const draft of drafts)
    for (const path of draft.paths.filter((path) => fresh.includes(path)))
      assert.doesNotMatch(draft.read(path), /sample|gadget|样例/i, path);
  const files = paths.filter((path) => /\.tsx?$/.test(path));
  const assets = ["hub/portal/src/*.d.ts"];
  await writeFile(join(root, "tsconfig.new.json"), JSON.stringify({ extends: "./tsconfig.json", include: assets, files }));
  // The other page's journey differs from this one in what is listed.
  const tests = paths.filter((path) => path.endsWith(".test.ts") || path === "provisioning/test/judgments.e2e.ts");
  const tried = async () => {
    await run("vite", "build", "--logLevel=error", "hub/portal", "--config=hub/portal/vite.config.ts");
    await run("node", "provisioning/test/run.ts", ...tests); // the module's on both databases
  };
  await Promise.all([run("tsc", "-p", "tsconfig.new.json"), tried()]);
});
