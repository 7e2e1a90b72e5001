import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const readme = new URL("../README.md", import.meta.url);
/** A link, and the tests of that file which are named behind it. */
const SHOWN_BY = /\]\(([^)]+)\)((?: "[^"]+",?)*)/g;

test("each row of the table of bad input names tests that exist", () => {
  const [, table = ""] = readFileSync(readme, "utf8").split("## Bad input");
  const rows = table.split("\n").filter((line) => line.startsWith("| "));
  assert.ok(rows.length > 10);
  for (const row of rows.slice(1)) {
    const shown = [...row.matchAll(SHOWN_BY)];
    assert.ok(shown.length > 0, `no test shows ${row}`);
    for (const [, path = "", names = ""] of shown) {
      const source = readFileSync(new URL(path, readme), "utf8");
      for (const [, name = ""] of names.matchAll(/"([^"]+)"/g)) assert.ok(source.includes(name), `${path} has no test "${name}"`);
    }
  }
});
