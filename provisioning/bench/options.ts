/**
 * What every bench understands, since the runner hands all of them the same words: --pairs N and --seconds N of each run,
 * --long (what a judgement rests on; without it a look), --cameras N, --control (made worse on purpose: bars must be missed).
 */
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    cameras: { type: "string", default: "8" },
    pairs: { type: "string" },
    seconds: { type: "string" },
    long: { type: "boolean", default: false },
    control: { type: "boolean", default: false },
  },
});

export const cameras = Number(values.cameras);
export const control = values.control;
export const long = values.long;

/** Pairs of runs, ours and the peer's in turn. */
export function pairsOr(usual: { short: number; long: number }): number {
  return Number(values.pairs ?? (values.long ? usual.long : usual.short));
}

/** Of one run. */
export function secondsOr(usual: { short: number; long: number }): number {
  return Number(values.seconds ?? (values.long ? usual.long : usual.short));
}
