/** What was found wrong, in one word. */
export type ProblemKind =
  /** Bytes are not those that were entered. */
  | "changed"
  /** Something that the ledger names is not there. */
  | "removed"
  /** Something is there that the ledger does not name. */
  | "inserted"
  /** In another order than entered. */
  | "reordered"
  /** The end is missing. */
  | "cutOff"
  /** Belongs to another take. */
  | "spliced"
  /** Signed by another key. */
  | "resigned"
  /** Not covered by a signature. */
  | "unsigned"
  /** Time without picture or sound that no entry explains. */
  | "undeclared"
  /** Not of the form that FORMAT.md says. */
  | "malformed";

export interface Problem {
  /** Track id; empty when it concerns the whole take. */
  track: string;
  /** Take time of the first second that it touches; null when no time can be told. */
  atSeconds: number | null;
  what: ProblemKind;
  zh: string;
  en: string;
}

/** A damaged folder can have more problems than anybody reads. */
const KEPT = 500;

/** Problems as they are found; the first 500 are kept, all are counted. */
export class Problems {
  readonly list: Problem[] = [];
  count = 0;

  add(what: ProblemKind, where: { track?: string; atSeconds?: number }, zh: string, en: string): void {
    this.count++;
    if (this.list.length >= KEPT) return;
    const atSeconds = where.atSeconds === undefined ? null : Math.round(where.atSeconds * 1000) / 1000;
    this.list.push({ track: where.track ?? "", atSeconds, what, zh, en });
  }
}
