import { Refusal } from "../failure.ts";

/** A template's words → the new thing's, in each spelling that the code uses. */
export type Words = Readonly<Record<string, string>>;

/** The text with every word of the sample replaced. */
export function rename(text: string, words: Words): string {
  const longestFirst = Object.keys(words).toSorted((a, b) => b.length - a.length);
  return text.replace(new RegExp(longestFirst.join("|"), "g"), (word) => words[word] ?? word);
}

/** What TypeScript, MariaDB or SQLite keep for themselves and a name in our form could hit. */
const KEPT =
  "arguments await break case catch class const continue debugger default delete do else enum export extends false finally for function if import in " +
  "instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield " +
  "accounts columns databases exists fields functions grants groups has indexes is keys lines rows schemas sequences tables transactions triggers values views";

/** A new name must not be a word that its own generated code uses for something else: the two would not be told apart. */
export function refuseTakenWords(words: Words, templates: readonly string[]): void {
  const used = new Set(
    templates.flatMap((text) => rename(text, Object.fromEntries(Object.keys(words).map((word) => [word, " "]))).match(/\w+/g) ?? []),
  );
  const taken = Object.values(words).find((word) => used.has(word) || KEPT.split(" ").includes(word) || word in globalThis);
  if (taken !== undefined) throw new Refusal(`"${taken}" already means something in the code or in SQL; expected a name of your own`);
}

/** door-sensor → doorSensor */
export function camel(kebab: string): string {
  return kebab.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
