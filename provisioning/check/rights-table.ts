import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type DescMethod, type DescService, getOption, hasOption, type DescEnum } from "@bufbuild/protobuf";
import { RightKindSchema, RoleSchema, rights } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { text } from "@xiezhi/protos/gen/xiezhi/texts/v1/texts_pb.js";

const gen = new URL("../../protos/gen/", import.meta.url);

/** Every method of the contract with who may call it, as a page. */
export async function rightsTable(): Promise<string> {
  const services = await allServices();
  const sections = services.map((service) => [`## ${service.typeName}`, "", ...head, ...service.methods.map(row), ""].join("\n"));
  return [intro, "", ...sections].join("\n").trimEnd() + "\n";
}

const intro = `# Who may call what · 谁可以做什么

Printed from the contract (\`npm run generate\`). Roles are held at the site of the object that the named field points to;
without a field, at the sites of the caller's own roles. A change carries a request id and leaves one audit row.`;

const head = ["| method | right | who | object | change |", "|---|---|---|---|---|"];

async function allServices(): Promise<DescService[]> {
  const files = globSync("xiezhi/**/*_pb.js", { cwd: fileURLToPath(gen) }).toSorted();
  const modules = await Promise.all(files.map((file) => import(new URL(file, gen).href) as Promise<Record<string, unknown>>));
  return modules.flatMap((module) => Object.values(module).filter(isService));
}

function isService(exported: unknown): exported is DescService {
  return typeof exported === "object" && exported !== null && "kind" in exported && exported.kind === "service";
}

function row(method: DescMethod): string {
  if (!hasOption(method, rights)) return `| ${method.name} | | nobody | | |`;
  const { kind, roles, object, everyone, open, program, change } = getOption(method, rights);
  const who = [
    ...(open ? ["anyone · 任何人"] : []),
    ...(everyone ? ["every signed-in user · 已登录用户"] : []),
    ...(program ? ["programs by certificate · 程序（证书）"] : []),
    ...roles.map((role) => words(RoleSchema, role)),
  ];
  return `| ${method.name} | ${words(RightKindSchema, kind)} | ${who.join(", ") || "nobody"} | ${object} | ${change ? "yes" : ""} |`;
}

function words(schema: DescEnum, number: number): string {
  const value = schema.value[number];
  if (!value || number === 0) return "";
  const { en, zh } = getOption(value, text);
  return `${en} · ${zh}`;
}
