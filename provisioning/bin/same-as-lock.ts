/** Exits 1 unless node_modules holds what package-lock.json says: the same versions and hashes, nothing more, nothing less. */
import { readFileSync } from "node:fs";

interface Locked {
  version?: string;
  integrity?: string;
  optional?: boolean;
}

function packagesOf(file: string): Map<string, Locked> {
  const { packages } = JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")) as { packages: Record<string, Locked> };
  return new Map(Object.entries(packages).filter(([folder]) => folder !== ""));
}

const locked = packagesOf("package-lock.json");
const installed = packagesOf("node_modules/.package-lock.json");
const wrong = [...installed].flatMap(([folder, { version, integrity }]) => {
  const wanted = locked.get(folder);
  if (wanted?.version === version && wanted?.integrity === integrity) return [];
  return [`${folder}: ${version} is installed, ${wanted?.version ?? "nothing"} is locked, or its hash differs`];
});
const missing = [...locked]
  .filter(([folder, { optional }]) => !optional && !installed.has(folder))
  .map(([folder]) => `${folder}: not installed`);

for (const line of [...wrong, ...missing]) process.stderr.write(`${line}\n`);
process.exitCode = wrong.length + missing.length === 0 ? 0 : 1;
