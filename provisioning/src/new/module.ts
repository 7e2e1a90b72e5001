import { singular } from "../../check/glossary.ts";
import { Refusal } from "../failure.ts";
import { Draft } from "./draft.ts";
import { capital } from "./words.ts";

const GLOSSARY = "docs/glossary.md";
/** Each composes all modules: where it imports them, and where they stand in their order. */
const COMPOSITIONS = [
  { file: "hub/src/main.ts", from: "./modules", list: /^const modules = \[[\s\S]*?(?=,?\s*\];)/m },
  { file: "hub/src/modules/conformance.test.ts", from: ".", list: /^const all = \[[\s\S]*?(?=,?\s*\];)/m },
];

/** A noun of the court with its contract, table, rights and tests, composed into the hub. */
export function newModule(root: string, noun: string, zh?: string): Draft {
  const draft = new Draft(root);
  const words = nounWords(noun, zh ?? knownChinese(draft, noun));
  const contract = `protos/xiezhi/${noun}`;
  const folder = `hub/src/modules/${noun}`;
  draft.expectNone("a module or contract of that name", folder, contract);
  draft.copy("provisioning/src/new/module", words, (file) => (file.endsWith(".proto") ? `${contract}/v1/${file}` : `${folder}/${file}`));
  for (const { file, from, list } of COMPOSITIONS) {
    draft.insert(file, /(?:^import .*\.module\.ts";\n)+/m, `import { ${noun} } from "${from}/${noun}/${noun}.module.ts";\n`);
    draft.insert(file, list, `, ${noun}`);
  }
  if (!glossaryRow(noun).test(draft.read(GLOSSARY))) {
    const row = `| ${words["sample"]} | ${words["样例"]} | belongs to one site and has a name there | say here what it is easily taken for |\n`;
    draft.insert(GLOSSARY, /^## The court .*\n+(?:\|.*\n)+/m, row);
  }
  const printed = ["js", "d.ts"].map((ending) => `protos/gen/xiezhi/${noun}/v1/${noun}_pb.${ending}`);
  draft.write([["protos/bin/generate.ts"], ["provisioning/check/docs.ts"]], [...printed, "docs/generated/rights.md"]);
  return draft;
}

export function nounWords(noun: string, zh = "待定名") {
  const one = singular(noun);
  if (!/^[a-z]{3,29}s$/.test(noun) || one === noun)
    throw new Refusal(`"${noun}" is no noun of the court; expected its plural in one word of 4 to 30 small letters, such as judgments`);
  if (!/^\p{Script=Han}{1,12}$/u.test(zh)) throw new Refusal(`"${zh}" is no Chinese name; expected 1 to 12 characters, such as 判决`);
  return { samples: noun, sample: one, Samples: capital(noun), Sample: capital(one), SAMPLES: noun.toUpperCase(), 样例: zh };
}

function glossaryRow(noun: string): RegExp {
  return new RegExp(String.raw`^\| ${singular(noun)} \| (\p{Script=Han}+)`, "mu");
}

/** What the glossary calls it, if it knows the word. */
function knownChinese(draft: Draft, noun: string): string | undefined {
  return glossaryRow(noun).exec(draft.read(GLOSSARY))?.[1];
}
