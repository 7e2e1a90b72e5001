import { Draft } from "./draft.ts";
import { nounWords } from "./module.ts";
import { capital } from "./words.ts";

const APP = "hub/portal/src/app.tsx";
const TEXTS = "hub/portal/src/app.texts.ts";

/** A page that lists what its noun's contract lists, or sites as long as there is no such contract; with its place in the menu. */
export function newPage(root: string, noun: string, zh?: string): Draft {
  const draft = new Draft(root);
  const words = nounWords(noun, zh ?? moduleChinese(draft, noun));
  const folder = `hub/portal/src/pages/${noun}`;
  const journey = `provisioning/test/${noun}.e2e.ts`;
  draft.expectNone("a page of that name", folder, journey);
  const listed = listsNamed(draft, noun, words.Sample) ? noun : "sites";
  const { samples: gadgets, sample: gadget, Samples: Gadgets, Sample: Gadget } = nounWords(listed);
  draft.copy("provisioning/src/new/page", { ...words, gadgets, gadget, Gadgets, Gadget }, (file) =>
    file.endsWith(".e2e.ts") ? journey : `${folder}/${file}`,
  );

  const contract = `import { ${Gadgets}Service } from "@xiezhi/protos/gen/xiezhi/${gadgets}/v1/${gadgets}_pb.js";\n`;
  const imports = /(?:^import .* from "@xiezhi\/protos\/gen\/.*";\n)+/m;
  if (!draft.read(APP).includes(contract)) draft.insert(APP, imports, contract);
  const last = [...draft.read(APP).matchAll(/^ +(?:\{ path: .* )?name: "(\w+)"/gm)].at(-1)?.[1] ?? "";
  const method = `${Gadgets}Service.method.list${Gadgets}`;
  const page = `{ path: "/${noun}", name: "${noun}", method: ${method}, Page: lazy(() => import("./pages/${noun}/${noun}.page.tsx")) }`;
  draft.insert(APP, /^const pages = \[[\s\S]*?(?=,?\s*\] as const;)/m, `, ${page}`);
  for (const [language, label] of [
    ["zh", words.样例],
    ["en", words.Samples],
  ] as const)
    draft.insert(TEXTS, new RegExp(String.raw`^  ${language}: \{\n(?:    .*\n)*?    ${last}: .*\n`, "m"), `    ${noun}: "${label}",\n`);
  draft.write();
  return draft;
}

/** Whether the noun's contract lists rows that have an id and a name, which is what the page shows. */
function listsNamed(draft: Draft, noun: string, one: string): boolean {
  const path = `protos/xiezhi/${noun}/v1/${noun}.proto`;
  if (!draft.has(path)) return false;
  const contract = draft.read(path);
  const row = new RegExp(String.raw`^message ${one} \{\n(?:  .*\n)*\}`, "m").exec(contract)?.[0] ?? "";
  return contract.includes(`rpc List${capital(noun)}(`) && / string id =/.test(row) && / string name =/.test(row);
}

/** What its module calls it. */
function moduleChinese(draft: Draft, noun: string): string | undefined {
  const path = `hub/src/modules/${noun}/${noun}.module.ts`;
  return draft.has(path) ? /^ {2}zh: "(\p{Script=Han}+)"/mu.exec(draft.read(path))?.[1] : undefined;
}
