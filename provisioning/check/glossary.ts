import type { Tree } from "./tree.ts";

const file = "docs/glossary.md";

/** Words that the design gives a meaning: they stand in the glossary whether or not a file bears their name. */
const designWords =
  "site room seat device capability driver scene flow case hearing record transcript door day chunk parcel segment stretch track take warm spool ledger anchor checkpoint " +
  "manifest mark span sealed utterance";

/** The contract's and the hub's nouns and the design's words that the glossary lacks, and rows that say too little. */
export function glossaryRules(tree: Tree): string[] {
  const rows = (tree.get(file) ?? "").split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| word "));
  const cells = rows.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const thin = cells
    .filter((row) => row.length !== 4 || row.includes(""))
    .map(([word]) => `${file}: ${word} lacks one of its four columns`);
  const words = new Set(cells.flatMap(([word = ""]) => word.toLowerCase().split(", ")));
  const nouns = new Set([...designWords.split(" "), "holding statement", "reading copy", ...[...tree.keys()].flatMap(nounOf)]);
  const missing = [...nouns].filter((noun) => !words.has(noun) && !words.has(singular(noun)));
  return [...thin, ...missing.map((noun) => `${file}: ${noun} is missing`)];
}

/** protos/xiezhi/<noun>/v1/ and hub/src/modules/<noun>/. */
function nounOf(path: string): string[] {
  const noun = /^(?:protos\/xiezhi|hub\/src\/modules)\/([a-z-]+)\//.exec(path)?.[1];
  return noun === undefined ? [] : [noun];
}

export function singular(noun: string): string {
  return noun
    .replace(/ies$/, "y")
    .replace(/(ss|x|ch|sh)es$/, "$1")
    .replace(/([^s])s$/, "$1");
}
