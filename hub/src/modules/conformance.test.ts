import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { hasOption } from "@bufbuild/protobuf";
import { rights } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { rightsOf } from "@xiezhi/rpc/access/rights.ts";
import { startCourt } from "../testing/court.ts";
import { startIngest } from "../testing/ingest.ts";
import { alarms } from "./alarms/alarms.module.ts";
import { audits } from "./audits/audits.module.ts";
import { cases } from "./cases/cases.module.ts";
import { devices } from "./devices/devices.module.ts";
import { hearings } from "./hearings/hearings.module.ts";
import { rooms } from "./rooms/rooms.module.ts";
import { sites } from "./sites/sites.module.ts";
import { takes } from "./takes/takes.module.ts";
import { users } from "./users/users.module.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const ALWAYS = ["module", "rpc", "service", "store", "test"];
const SOMETIMES = ["errors", "law", "papers", "http"];
const MOST_USES = 6;

const ingest = startIngest().client;
const all = [sites, users, cases, hearings, takes({ ingest, stores: [], derivedFolder: "" }), devices, rooms, alarms({ ingest }), audits];

test("each module's folder has its five files, and what is more is spoken of in the module file", async () => {
  const folders = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  assert.deepEqual(folders.sort(), all.map(({ name }) => name).sort());
  for (const noun of folders) {
    const names = await readdir(`${folder}/${noun}`);
    for (const kind of ALWAYS) assert.ok(names.includes(`${noun}.${kind}.ts`), `${noun}.${kind}.ts is missing`);
    const said = await readFile(`${folder}/${noun}/${noun}.module.ts`, "utf8");
    for (const name of names) {
      const kind = name.replace(`${noun}.`, "").replace(/\.ts$/, "");
      if (ALWAYS.includes(kind) || SOMETIMES.includes(kind)) continue;
      assert.ok(said.includes(`.${kind}`) || said.includes(name), `${noun}/${name}: the module file does not say what it is for`);
    }
  }
});

test("a module uses at most six others, all of which stand above it, and owns its tables", () => {
  const above: string[] = [];
  for (const { name, zh, uses, migrations } of all) {
    assert.ok(uses.length <= MOST_USES, `${name} uses ${uses.length}`);
    for (const used of uses) assert.ok(above.includes(used), `${name} uses ${used}, which does not stand above it`);
    assert.match(zh, /^\p{Script=Han}+$/u);
    above.push(name);
    for (const { name: migration, ddl } of migrations) {
      const sql = typeof ddl === "string" ? ddl : ddl.sqlite;
      const table = /(?:TABLE|ON) (\w+)/.exec(sql)?.[1] ?? "";
      assert.match(migration, /^\d{4}-[a-z-]+$/);
      assert.ok(table === name || table.startsWith(`${name}_`), `${name}/${migration} makes ${table}`);
      assert.doesNotMatch(sql, /JSON|RETURNING|ON CONFLICT/i);
    }
  }
});

test("a module imports no other module but those it uses, and of those only the service", async () => {
  for (const { name, uses } of all)
    for (const file of await readdir(`${folder}/${name}`)) {
      if (file.endsWith(".test.ts")) continue;
      const text = await readFile(`${folder}/${name}/${file}`, "utf8");
      for (const [, other = "", part = ""] of text.matchAll(/from "\.\.\/([a-z]+)\/[a-z]+\.([a-z]+)\.ts"/g)) {
        assert.ok((uses as readonly string[]).includes(other), `${name}/${file} imports ${other}, which it does not use`);
        assert.equal(part, "service", `${name}/${file} imports ${other}.${part}`);
      }
    }
});

test("every method states who may call it, its object has an owner, and a change carries a request id", async (t) => {
  const court = await startCourt(t, { modules: all.filter(({ name }) => name !== "sites" && name !== "users") });
  for (const { service, handlers } of court.house.rpc)
    for (const method of service.methods) {
      const name = `${service.typeName}.${method.name}`;
      assert.ok(handlers[method.localName], `${name} has no handler`);
      assert.ok(hasOption(method, rights), `${name} has no rights`);
      const { roles, everyone, open, program, object, change } = rightsOf(method);
      assert.ok(roles.length > 0 || everyone || open || program, `${name} is for nobody`);
      if (open) assert.match(method.name, /^(LogIn|WhereAmI)$/);
      if (object !== "") assert.ok(court.house.platform.rights.owns(object), `${name}: nobody owns ${object}`);
      const id = method.input.fields.find((field) => field.name === "request_id");
      if (change) assert.ok(id, `${name} changes and has no request_id`);
    }
});
