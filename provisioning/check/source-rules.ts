import { posix } from "node:path";
import ts from "typescript";
import { isCode, isGenerated, isTest, type Tree } from "./tree.ts";

const maxLines = 400;
const maxFiles = 15;

/** Every violation of the rules about files, folders and what stands in them, one line each. */
export function sourceRules(tree: Tree): string[] {
  const paths = [...tree.keys()];
  const perFile = [...tree].flatMap(([path, text]) => [
    ...size(path, text),
    ...marks(path, text),
    ...(isCode(path) ? syntax(path, text) : []),
  ]);
  return [...topLevel(paths), ...folderNames(paths), ...folderSizes(paths), ...perFile];
}

const topFolders = ["protos", "device-drivers", "flows", "media-pipeline", "edge-agent", "hub", "provisioning", "docs", ".ci"];
const topFiles =
  /^(README|ARCHITECTURE|CONTRIBUTING|CHANGELOG|SECURITY)\.md$|^LICENSE$|^package(-lock)?\.json$|^(tsconfig|biome)\.json$|^knip\.jsonc$|^\.(gitignore|gitattributes|npmrc|oxlintrc\.json)$/;

function topLevel(paths: string[]): string[] {
  return paths.flatMap((path) => {
    const [top = "", below] = path.split("/", 2);
    const known = below === undefined ? topFiles.test(top) : topFolders.includes(top);
    return known ? [] : [`${path}: only the seven folders, docs and tool configuration stand at the top`];
  });
}

const emptyNames = new Set(["utils", "util", "common", "helpers", "misc", "shared", "lib"]);

function folderNames(paths: string[]): string[] {
  const folders = new Set(paths.flatMap((path) => ancestors(path)));
  return [...folders].filter((folder) => emptyNames.has(posix.basename(folder))).map((folder) => `${folder}/: a name that says nothing`);
}

function ancestors(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === "." ? [] : [folder, ...ancestors(folder)];
}

function folderSizes(paths: string[]): string[] {
  const sources = paths.filter((path) => isCode(path) && !isTest(path));
  return [...Map.groupBy(sources, (path) => posix.dirname(path))]
    .filter(([, files]) => files.length > maxFiles)
    .map(([folder, files]) => `${folder}/: ${files.length} source files, at most ${maxFiles}`);
}

function size(path: string, text: string): string[] {
  if (isGenerated(path) || !/\.(tsx?|m?js|css|html|proto|sh|py)$/.test(path)) return [];
  const lines = text.split("\n").length - 1;
  return lines > maxLines ? [`${path}: ${lines} lines, at most ${maxLines}`] : [];
}

/** Left-overs. Written so that this file does not find itself. */
const leftOvers: [RegExp, string][] = [
  [/\b(TO[D]O|FIX[M]E|X{3}:)/, "unfinished work has an issue, not a comment"],
  [/@ts-(ig[n]ore|noch[e]ck|expect-err[o]r)/, "the compiler is not silenced"],
  [/\b(test|it|describe|suite)\.(on[l]y|sk[i]p|to[d]o)\(|^\s*debugge[r];/m, "tests run whole and unskipped"],
];

function marks(path: string, text: string): string[] {
  if (!/\.(tsx?|m?js|css|html|proto|sh)$/.test(path) || isGenerated(path)) return [];
  return leftOvers.flatMap(([pattern, why]) => {
    const at = text.search(pattern);
    return at < 0 ? [] : [`${path}:${lineAt(text, at)}: ${why}`];
  });
}

const clocks = new Set(["protos/base/src/clock.ts", "hub/portal/src/clock.ts"]);
const timers = new Set(["setTimeout", "setInterval"]);
const readings = new Set(["Date.now", "performance.now", "process.hrtime"]);

/** The clock is asked in one place, so tests can drive it; topics are spelled in one place, so both ends agree. */
function syntax(path: string, text: string): string[] {
  const found: string[] = [];
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false, path.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
  const visit = (node: ts.Node): void => {
    const what = clocks.has(path) ? undefined : asksTime(path, node, source);
    if (what) found.push(`${path}:${lineAt(text, node.getStart(source))}: ${what} stands only in clock.ts; pass a Clock`);
    if (spellsTopic(path, node, source))
      found.push(`${path}:${lineAt(text, node.getStart(source))}: only protos/src/topics.ts spells topics`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function asksTime(path: string, node: ts.Node, source: ts.SourceFile): string | undefined {
  if (ts.isNewExpression(node) && node.expression.getText(source) === "Date" && (node.arguments?.length ?? 0) === 0) return "new Date()";
  // A test may bound its own patience with it.
  if (ts.isPropertyAccessExpression(node) && node.getText(source) === "AbortSignal.timeout" && !isTest(path)) return "AbortSignal.timeout";
  if (ts.isPropertyAccessExpression(node) && readings.has(node.getText(source))) return node.getText(source);
  if (ts.isImportDeclaration(node) && /timers/.test(node.moduleSpecifier.getText(source))) return node.moduleSpecifier.getText(source);
  if (ts.isCallExpression(node) && timers.has(node.expression.getText(source))) return node.expression.getText(source);
  return undefined;
}

function spellsTopic(path: string, node: ts.Node, source: ts.SourceFile): boolean {
  if (path.startsWith("protos/") || isTest(path)) return false;
  if (!ts.isStringLiteralLike(node) && !ts.isTemplateExpression(node)) return false;
  return /^["'`]xiezhi\/.*\/(\+|#|state|command|result|availability|raw)\b/.test(node.getText(source));
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}
