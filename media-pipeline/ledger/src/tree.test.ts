import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from "./proofs.ts";
import { type Digest, leafHash, Tree } from "./tree.ts";

const sha256: Digest = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Entries and roots that Certificate Transparency implementations test with. */
const known = {
  entries: ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"],
  roots: [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ],
};

test("the roots of known trees", () => {
  const tree = new Tree(sha256);
  assert.equal(hex(tree.root()), hex(sha256()));
  for (const [at, entry] of known.entries.entries()) {
    tree.append(Buffer.from(entry, "hex"));
    assert.equal(hex(tree.root()), known.roots[at]);
  }
});

test("every proof of every tree up to 40 entries holds, and no other does", () => {
  const entries = Array.from({ length: 40 }, (_, at) => Buffer.from(`entry ${at}`));
  const leaves = entries.map((entry) => leafHash(sha256, entry));
  const roots = rootsOf(entries);
  for (let size = 1; size <= entries.length; size++) {
    const [root, some] = [roots[size] as Uint8Array, leaves.slice(0, size)];
    for (let index = 0; index < size; index++) {
      const claim = { leaf: leaves[index] as Uint8Array, index, size, root, proof: inclusionProof(sha256, some, index) };
      assert.ok(verifyInclusion(sha256, claim), `${index} in ${size}`);
      assert.ok(!verifyInclusion(sha256, { ...claim, leaf: leafHash(sha256, Buffer.from("other")) }));
      assert.ok(!verifyInclusion(sha256, { ...claim, index: index + 1 }));
      if (claim.proof.length > 0) assert.ok(!verifyInclusion(sha256, { ...claim, proof: claim.proof.slice(1) }));
    }
    for (let oldSize = 1; oldSize <= size; oldSize++) {
      const oldRoot = roots[oldSize] as Uint8Array;
      const claim = { oldSize, oldRoot, newSize: size, newRoot: root, proof: consistencyProof(sha256, some, oldSize) };
      assert.ok(verifyConsistency(sha256, claim), `${oldSize} within ${size}`);
      if (oldSize === size) continue;
      assert.ok(!verifyConsistency(sha256, { ...claim, oldRoot: root }));
      assert.ok(!verifyConsistency(sha256, { ...claim, newRoot: oldRoot }));
    }
  }
});

function rootsOf(entries: readonly Uint8Array[]): Uint8Array[] {
  const tree = new Tree(sha256);
  return [
    tree.root(),
    ...entries.map((entry) => {
      tree.append(entry);
      return tree.root();
    }),
  ];
}
