/** A hash of the concatenated parts. Injected: Node and browsers bring their own; FORMAT.md names the one a ledger uses. */
export type Digest = (...parts: Uint8Array[]) => Uint8Array;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** RFC 6962 2.1: the hash of one entry. */
export function leafHash(digest: Digest, entry: Uint8Array): Uint8Array {
  return digest(LEAF, entry);
}

/** RFC 6962 2.1: the hash of two subtrees. */
export function nodeHash(digest: Digest, left: Uint8Array, right: Uint8Array): Uint8Array {
  return digest(NODE, left, right);
}

/**
 * The Merkle tree of a ledger as it grows (RFC 6962 2.1). It keeps the roots of its full subtrees only: appending and asking
 * for the root cost O(log n), a day of ten tracks needs some twenty hashes of memory.
 */
export class Tree {
  private readonly digest: Digest;
  /** Roots of the full subtrees, largest first: one for each bit of `size`. */
  private readonly peaks: Uint8Array[] = [];
  private leaves = 0;

  constructor(digest: Digest) {
    this.digest = digest;
  }

  /** Entries in the tree. */
  get size(): number {
    return this.leaves;
  }

  append(entry: Uint8Array): void {
    let hash = leafHash(this.digest, entry);
    for (let subtrees = this.leaves; subtrees % 2 === 1; subtrees = (subtrees - 1) / 2)
      hash = nodeHash(this.digest, this.peaks.pop() as Uint8Array, hash);
    this.peaks.push(hash);
    this.leaves++;
  }

  /** The same tree, to be grown on trial. */
  clone(): Tree {
    const copy = new Tree(this.digest);
    copy.peaks.push(...this.peaks);
    copy.leaves = this.leaves;
    return copy;
  }

  /** The tree head; the hash of nothing when empty. */
  root(): Uint8Array {
    if (this.peaks.length === 0) return this.digest();
    return this.peaks.reduceRight((right, left) => nodeHash(this.digest, left, right));
  }
}
