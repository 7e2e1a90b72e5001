/** Whom we are compared with is not installed. */
export const PEER_MISSING = "peer missing";

/** What a bench says: one JSON line a figure. The runner adds whether the bar is met. */
export interface Figure {
  /** Begins with the target's number, such as "P1 recorder CPU at 8 cameras". */
  name: string;
  ours: number;
  /** The same of whom we are compared with in the same run; null: there is nobody, the bar is absolute. A missing peer meets no bar. */
  peer: number | typeof PEER_MISSING | null;
  /** ours / peer; null without a peer. */
  ratio: number | null;
  unit: string;
  /** Least and largest ratio of the single runs (without a peer: of the values). */
  range?: readonly [number, number];
  /** For the ratio, or for `ours` where there is no peer. Absent: printed only. */
  bar?: { atMost: number } | { atLeast: number };
  note?: string;
}

/** Of runs in pairs, ours and the peer's in turn: medians, and the ratio of these. */
export function compared(runs: readonly { ours: number; peer: number }[]): Pick<Figure, "ours" | "peer" | "ratio" | "range"> {
  const ours = median(runs.map((run) => run.ours));
  const peer = median(runs.map((run) => run.peer));
  const ratios = runs.map((run) => rounded(run.ours / run.peer));
  return { ours: rounded(ours), peer: rounded(peer), ratio: rounded(ours / peer), range: [Math.min(...ratios), Math.max(...ratios)] };
}

/** Without whom to compare with: the median. */
export function alone(values: readonly number[], peer: typeof PEER_MISSING | null): Pick<Figure, "ours" | "peer" | "ratio" | "range"> {
  return { ours: rounded(median(values)), peer, ratio: null, range: [rounded(Math.min(...values)), rounded(Math.max(...values))] };
}

/** Of something that must nearly always be so: what 95 of 100 are at most. */
export function p95(values: readonly number[]): Pick<Figure, "ours" | "peer" | "ratio" | "range"> {
  return { ...alone(values, null), ours: rounded(quantile(values, 0.95)) };
}

export function print(figure: Figure): void {
  process.stdout.write(`${JSON.stringify(figure)}\n`);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that `part` of all values are at most; between two of them the straight line. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  return below + ((sorted[Math.ceil(at)] ?? Number.NaN) - below) * (at - Math.floor(at));
}

/** To three digits that mean something. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
