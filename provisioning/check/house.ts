import { posix } from "node:path";
import ts from "typescript";
import { isCode, isTest, packageFolder, type Tree } from "./tree.ts";

/** Folder → package and the packages it may import. The folder's name says the subject, this table says the arrows. */
const house: Record<string, { name: string; uses: string[]; browser?: true }> = {
  protos: { name: "protos", uses: [], browser: true },
  "protos/base": { name: "base", uses: ["protos"] },
  "protos/rpc": { name: "rpc", uses: ["protos", "base"] },
  "device-drivers/rtsp": { name: "rtsp", uses: ["protos", "base"] },
  "device-drivers": { name: "drivers", uses: ["protos", "base", "rtsp"] },
  "media-pipeline/ledger": { name: "ledger", uses: ["protos"], browser: true },
  "media-pipeline": { name: "media", uses: ["protos", "base", "rtsp", "ledger"] },
  flows: { name: "flows", uses: ["protos", "base"] },
  "provisioning/enrol": { name: "enrol", uses: ["protos", "base", "rpc"] },
  "edge-agent": { name: "edge-agent", uses: ["protos", "base", "rpc", "drivers", "ledger", "media", "flows", "enrol"] },
  hub: { name: "hub", uses: ["protos", "base", "rpc", "ledger", "media", "enrol"] },
  "hub/portal": { name: "portal", uses: ["protos", "ledger"], browser: true },
  provisioning: { name: "provisioning", uses: ["protos", "base", "rpc", "drivers", "ledger", "media", "enrol"] },
};

interface Import {
  from: string;
  folder: string;
  to: string;
}

/** Every violation of the house, one line each. */
export function houseRules(tree: Tree): string[] {
  const imports = [...tree].flatMap(([from, text]) => {
    if (!isCode(from)) return [];
    const folder = packageFolder(tree, from);
    return importsOf(text).map((to) => ({ from, folder, to }));
  });
  return [...manifests(tree), ...imports.flatMap((each) => [...arrows(tree, each), ...browserSafe(each), ...simulators(each)])];
}

/** Static, dynamic and type imports and re-exports. */
function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}

/** package.json and the table agree, so the arrows can be read from either. */
function manifests(tree: Tree): string[] {
  const found = [...tree.keys()].filter((path) => path.endsWith("/package.json")).map((path) => posix.dirname(path));
  const strangers = found.filter((folder) => !house[folder]).map((folder) => `${folder}/package.json: no package of the house`);
  const wrong = Object.entries(house).flatMap(([folder, { name, uses }]) => {
    const text = tree.get(`${folder}/package.json`);
    if (text === undefined) return [`${folder}/package.json: is missing`];
    const manifest = JSON.parse(text) as { name: string; dependencies?: Record<string, string> };
    const declared = Object.keys(manifest.dependencies ?? {}).filter((dependency) => dependency.startsWith("@xiezhi/"));
    const wanted = uses.map((use) => `@xiezhi/${use}`);
    if (manifest.name === `@xiezhi/${name}` && declared.toSorted().join() === wanted.toSorted().join()) return [];
    return [`${folder}/package.json: must be @xiezhi/${name} and depend on ${wanted.join(", ") || "no package of ours"}`];
  });
  return [...strangers, ...wrong];
}

function arrows(tree: Tree, { from, folder, to }: Import): string[] {
  if (to.startsWith("@xiezhi/")) {
    const name = to.split("/")[1] ?? "";
    return house[folder]?.uses.includes(name) ? [] : [`${from}: ${folder || "the root"} may not import @xiezhi/${name}`];
  }
  if (!to.startsWith(".")) return [];
  const target = posix.join(posix.dirname(from), to);
  const other = packageFolder(tree, target);
  return other === folder ? [] : [`${from}: reaches into ${other || "the root"} by a path (${to}); import its package`];
}

/** What a browser loads has nothing of Node: the contract, the ledger, the portal. Their tests and tools run in Node. */
function browserSafe({ from, folder, to }: Import): string[] {
  const loadedByBrowser = house[folder]?.browser && from.startsWith(`${folder}/src/`) && !isTest(from);
  return loadedByBrowser && to.startsWith("node:") ? [`${from}: ${to} is not there in a browser`] : [];
}

/** Simulators are for tests, benches, each other and the demo: a program that runs a court can't reach one. */
function simulators({ from, to }: Import): string[] {
  const isSimulator = (path: string) => /(^|\/)sim\/|\.sim\.ts$/.test(path);
  const allowed = isTest(from) || isSimulator(from) || /^provisioning\/(clips|src\/demo)\//.test(from);
  return isSimulator(to) && !allowed ? [`${from}: ${to} is a simulator, for tests and the demo only`] : [];
}
