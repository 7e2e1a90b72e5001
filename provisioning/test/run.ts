/**
 * Runs the tests: `node run.ts [--faults | --fuzz] [path …]`. Without paths all `*.test.ts`, one suite a package, the hub's modules
 * once more on MariaDB, then the browser's and the `*.e2e.ts` one at a time. Ends with the line `N passed, N failed`; exits 1 if one failed or none ran.
 */
import { globSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runSuite, type Suite } from "./suite.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const WITH_MARIADB = "hub/src/testing/with-mariadb.ts";
const folders = "{protos,device-drivers,flows,media-pipeline,edge-agent,hub,provisioning}";

function find(kind: string): string[] {
  return globSync(`${folders}/**/*.${kind}.{ts,tsx}`, {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist|gen)$/.test(path),
  }).toSorted();
}

/** The folder of the nearest package.json above. */
function packageOf(file: string, packages: Set<string>): string {
  let folder = dirname(file);
  while (folder !== "." && !packages.has(folder)) folder = dirname(folder);
  return folder;
}

function suites(files: string[], filesAtOnce: number, limitMs: number, nameOf: (file: string) => string): Suite[] {
  const byName = Map.groupBy(files, nameOf);
  return [...byName].map(([name, members]) => ({ name, files: members, filesAtOnce, limitMs }));
}

function plan(kinds: { faults: boolean; fuzz: boolean }, wanted: (file: string) => boolean): Suite[] {
  const alone = (kind: string, limitMs: number) => suites(find(kind).filter(wanted), 1, limitMs, (file) => file);
  if (kinds.faults) return alone("faults", 600_000);
  if (kinds.fuzz) return alone("fuzz", 600_000);
  const packages = new Set(globSync(`${folders}/{,*/}package.json`, { cwd: root }).map((file) => dirname(file)));
  const isBrowser = (name: string) => name === "hub/portal";
  const units = suites(find("test").filter(wanted), 2, 180_000, (file) => packageOf(file, packages));
  const ofModules = find("test").filter((file) => /^hub\/src\/modules\/[a-z]+\//.test(file) && wanted(file));
  const onMariaDb = suites(ofModules, 2, 180_000, () => "hub's modules on MariaDB").map((suite) => ({ ...suite, within: WITH_MARIADB }));
  const browser = units.filter(({ name }) => isBrowser(name)).map((suite) => ({ ...suite, filesAtOnce: 1 }));
  return [...units.filter(({ name }) => !isBrowser(name)), ...onMariaDb, ...browser, ...alone("e2e", 360_000)];
}

const { values, positionals } = parseArgs({
  options: { faults: { type: "boolean", default: false }, fuzz: { type: "boolean", default: false } },
  allowPositionals: true,
});
const asked = positionals.map((path) => relative(root, resolve(path)));
const planned = plan(values, (file) => asked.length === 0 || asked.some((path) => join(root, file).startsWith(join(root, path))));

let passed = 0;
let failed = 0;
for (const suite of planned) {
  const result = await runSuite(root, suite, (text) => process.stdout.write(`${text.trimEnd()}\n`));
  passed += result.passed;
  failed += result.failed;
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
  process.stdout.write(
    `${suite.name.padEnd(44)} ${(result.ms / 1000).toFixed(1).padStart(6)} s  ${result.passed} ok, ${result.failed} not${skipped}\n`,
  );
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
