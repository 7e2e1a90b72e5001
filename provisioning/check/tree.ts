import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** The repository as the rules see it: path from the root → text. Rules are tried on small made-up ones. */
export type Tree = ReadonlyMap<string, string>;

/** What git has and would have: ignored folders are not ours. Media and other bytes are left out. */
export function readTree(root: string): Tree {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  const paths = listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  return new Map(paths.map((path) => [path, isText(path) ? readFileSync(join(root, path), "utf8") : ""]));
}

function isText(path: string): boolean {
  return !/\.(h264|aac|pcma|pcmu|png|jpg|ico|woff2?)$/.test(path);
}

export function isGenerated(path: string): boolean {
  return path.startsWith("protos/gen/") || path.startsWith("docs/generated/") || path === "package-lock.json";
}

/** TypeScript that people write. */
export function isCode(path: string): boolean {
  return /\.tsx?$/.test(path) && !isGenerated(path);
}

/** Tests, benches and what runs only with them. */
export function isTest(path: string): boolean {
  return /\.(test|bench|fuzz|e2e|faults|soak)\.tsx?$/.test(path) || /(^|\/)(bench|test)\//.test(path);
}

/** The folder of the nearest package.json above; "" at the root. */
export function packageFolder(tree: Tree, path: string): string {
  let folder = posix.dirname(path);
  while (folder !== "." && !tree.has(`${folder}/package.json`)) folder = dirname(folder);
  return folder === "." ? "" : folder;
}
