/** Prints docs/generated from the contract; `--check` compares with what is committed instead and exits 1 on a difference. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readIfThere } from "@xiezhi/base/files.ts";
import { rightsTable } from "./rights-table.ts";

const folder = new URL("../../docs/generated/", import.meta.url);
const pages: Record<string, string> = { "rights.md": await rightsTable() };

await mkdir(folder, { recursive: true });
const check = process.argv.includes("--check");
const strangers = (await readdir(folder)).filter((name) => pages[name] === undefined);
for (const [name, page] of Object.entries(pages)) {
  const file = fileURLToPath(new URL(name, folder));
  if (!check) await writeFile(file, page);
  else if ((await readIfThere(file)) !== page) complain(`docs/generated/${name} differs from a fresh print`);
}
for (const name of strangers) complain(`docs/generated/${name} is printed by nobody`);

function complain(what: string): void {
  process.stderr.write(`${what}: run \`npm run generate\`\n`);
  process.exitCode = 1;
}
