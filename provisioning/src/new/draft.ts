import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Refusal } from "../failure.ts";
import { refuseTakenWords, rename, type Words } from "./words.ts";

/** What a generator is about to write: kept in memory until all of it fits, then written whole or not at all. */
export class Draft {
  private readonly root: string;
  /** Path from the root → its text to be. */
  private readonly texts = new Map<string, string>();

  constructor(root: string) {
    this.root = root;
  }

  get paths(): string[] {
    return [...this.texts.keys()];
  }

  read(path: string): string {
    return this.texts.get(path) ?? readFileSync(join(this.root, path), "utf8");
  }

  has(path: string): boolean {
    return this.texts.has(path) || existsSync(join(this.root, path));
  }

  /** Refuses when one of these is there already. */
  expectNone(what: string, ...paths: string[]): void {
    const there = paths.find((path) => existsSync(join(this.root, path)));
    if (there !== undefined) throw new Refusal(`there is ${what} already: ${there}; expected a new name`);
  }

  /** Each template of a folder under its new name; `targetOf` says where a file goes. */
  copy(folder: string, words: Words, targetOf: (name: string) => string): void {
    const names = readdirSync(join(this.root, folder));
    const templates = names.map((name) => readFileSync(join(this.root, folder, name), "utf8"));
    refuseTakenWords(words, templates);
    for (const [at, name] of names.entries())
      this.texts.set(targetOf(rename(name.replace(/\.txt$/, ""), words)), rename(templates[at] ?? "", words));
  }

  /** Puts `text` behind the one place in a file that `place` matches; without exactly one, a person must look. */
  insert(path: string, place: RegExp, text: string): void {
    const before = this.read(path);
    const [found, ...more] = before.matchAll(new RegExp(place, `g${place.flags}`));
    if (!found || more.length > 0)
      throw new Refusal(`${path}: expected exactly one place that matches ${place}, found ${found ? more.length + 1 : "none"}`);
    const at = found.index + found[0].length;
    this.texts.set(path, before.slice(0, at) + text + before.slice(at));
  }

  /** Writes all of it, then runs programs of ours that print more from it into `printed`. Whatever fails, nothing of it stays. */
  write(programs: readonly (readonly string[])[] = [], printed: readonly string[] = []): void {
    for (const [path, text] of this.texts) if (/\.tsx?$/.test(path)) this.texts.set(path, this.formatted(path, text));
    const touched = [...this.paths, ...printed];
    const before = new Map(touched.map((path) => [path, existsSync(join(this.root, path)) ? this.bytes(path) : undefined]));
    // Ctrl-C ends the programs, and with them this, in good order.
    const stay = () => {};
    process.on("SIGINT", stay);
    try {
      for (const [path, text] of this.texts) this.put(path, text);
      for (const words of programs) execFileSync(process.execPath, words, { cwd: this.root, stdio: ["ignore", "ignore", "inherit"] });
    } catch (error) {
      for (const [path, bytes] of before)
        if (bytes) this.put(path, bytes);
        else this.remove(path);
      throw error;
    } finally {
      process.off("SIGINT", stay);
    }
  }

  private formatted(path: string, text: string): string {
    const biome = join(this.root, "node_modules/.bin/biome");
    return execFileSync(biome, ["format", `--stdin-file-path=${path}`], { cwd: this.root, input: text, encoding: "utf8" });
  }

  private bytes(path: string): Buffer {
    return readFileSync(join(this.root, path));
  }

  private put(path: string, text: string | Buffer): void {
    mkdirSync(join(this.root, dirname(path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** With the folders that it leaves empty. */
  private remove(path: string): void {
    rmSync(join(this.root, path), { force: true });
    for (let folder = dirname(join(this.root, path)); existsSync(folder) && readdirSync(folder).length === 0; folder = dirname(folder))
      rmdirSync(folder);
  }
}
