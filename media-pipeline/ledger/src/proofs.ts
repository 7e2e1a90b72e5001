import { sameBytes } from "./bytes.ts";
import { type Digest, nodeHash } from "./tree.ts";

/** RFC 6962 2.1.1: the hashes that lead from entry `index` to the root of the tree over `leaves` (leaf hashes, all of them). */
export function inclusionProof(digest: Digest, leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (index < 0 || index >= leaves.length) throw new RangeError(`no entry ${index} in a tree of ${leaves.length}`);
  if (leaves.length === 1) return [];
  const split = largestPowerBelow(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...inclusionProof(digest, left, index), rootOf(digest, right)]
    : [...inclusionProof(digest, right, index - split), rootOf(digest, left)];
}

/** RFC 9162 2.1.3.2: does the entry with hash `leaf` stand at `index` in the tree of `size` with `root`? */
export function verifyInclusion(
  digest: Digest,
  claim: { leaf: Uint8Array; index: number; size: number; root: Uint8Array; proof: readonly Uint8Array[] },
): boolean {
  if (!(claim.index >= 0 && claim.index < claim.size)) return false;
  let at = claim.index;
  let last = claim.size - 1;
  let hash = claim.leaf;
  for (const step of claim.proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(digest, step, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = nodeHash(digest, hash, step);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(hash, claim.root);
}

/** RFC 6962 2.1.2: the hashes that show that the tree over `leaves` begins with its first `oldSize` entries unchanged. */
export function consistencyProof(digest: Digest, leaves: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  if (oldSize < 1 || oldSize > leaves.length) throw new RangeError(`no tree of ${oldSize} within ${leaves.length}`);
  return subproof(digest, leaves, oldSize, true);
}

/** RFC 9162 2.1.4.2: is the tree of `newSize` a continuation of the one of `oldSize`? */
export function verifyConsistency(
  digest: Digest,
  claim: { oldSize: number; oldRoot: Uint8Array; newSize: number; newRoot: Uint8Array; proof: readonly Uint8Array[] },
): boolean {
  const { oldSize, newSize } = claim;
  if (!(oldSize >= 1 && oldSize <= newSize)) return false;
  if (oldSize === newSize) return claim.proof.length === 0 && sameBytes(claim.oldRoot, claim.newRoot);
  let at = oldSize - 1;
  let last = newSize - 1;
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  const steps = at === 0 ? [claim.oldRoot, ...claim.proof] : [...claim.proof];
  const first = steps.shift();
  if (!first) return false;
  let oldHash = first;
  let newHash = first;
  for (const step of steps) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      oldHash = nodeHash(digest, step, oldHash);
      newHash = nodeHash(digest, step, newHash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else newHash = nodeHash(digest, newHash, step);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(oldHash, claim.oldRoot) && sameBytes(newHash, claim.newRoot);
}

function subproof(digest: Digest, leaves: readonly Uint8Array[], oldSize: number, oldIsWhole: boolean): Uint8Array[] {
  if (oldSize === leaves.length) return oldIsWhole ? [] : [rootOf(digest, leaves)];
  const split = largestPowerBelow(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return oldSize <= split
    ? [...subproof(digest, left, oldSize, oldIsWhole), rootOf(digest, right)]
    : [...subproof(digest, right, oldSize - split, false), rootOf(digest, left)];
}

function rootOf(digest: Digest, leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const split = largestPowerBelow(leaves.length);
  return nodeHash(digest, rootOf(digest, leaves.slice(0, split)), rootOf(digest, leaves.slice(split)));
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function half(n: number): number {
  return Math.floor(n / 2);
}
