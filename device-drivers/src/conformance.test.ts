import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { drivers } from "./registry.ts";

const folder = fileURLToPath(new URL("drivers/", import.meta.url));
const ALWAYS = ["driver", "protocol", "sim", "test"];

test("each driver's folder has its four files and stands in the registry, and its test asks what is asked of all", async () => {
  const folders = await readdir(folder);
  assert.deepEqual(folders.sort(), drivers.map(({ id }) => id).sort());
  for (const id of folders) {
    const names = await readdir(`${folder}/${id}`);
    for (const kind of ALWAYS) assert.ok(names.includes(`${id}.${kind}.ts`), `${id}.${kind}.ts is missing`);
    assert.match(await readFile(`${folder}/${id}/${id}.test.ts`, "utf8"), /^conforms\(/m, `${id}.test.ts does not call conforms()`);
  }
});
