/**
 * The token tree through the kernels: any split of a range of slabs, its parts computed apart and their nodes merged by the tree's rule, has the bits of the whole.
 *
 * The merge here is written from the definition (siblings of the full binary tree add, left plus right). Not here: who merges in the cluster.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gradientScratchBytes, nodesMax, panelRowBytes, slabTokens } from '../../../src/kernels/types.js';
import { Arena, planOf } from './arena.js';

interface Node {
  readonly first: number;
  readonly size: number;
  readonly value: Float32Array;
}

/** Where slabs lie in the tree: `slabs` a sample (1 for samples of one token), each sample on a power of two of leaves. */
const samples = (slabs: number) => {
  const span = 2 ** Math.ceil(Math.log2(slabs));
  const leafOf = (slab: number): number => Math.floor(slab / slabs) * span + (slab % slabs);
  /** The first leaf that exists from this index on. */
  const nextLeaf = (leaf: number): number => (leaf % span < slabs ? leaf : (Math.floor(leaf / span) + 1) * span);
  /** A left child stands for its parent while its right sibling does not exist. */
  const grown = (first: number, size: number): number =>
    size < span && first % (2 * size) === 0 && (first + size) % span >= slabs ? grown(first, 2 * size) : size;
  return { leafOf, nextLeaf, grown };
};
type Samples = ReturnType<typeof samples>;

/** Merges any two neighbours that are siblings until there are none. */
const merge = (tree: Samples, nodes: readonly Node[]): Node[] => {
  for (let i = 0; i + 1 < nodes.length; i++) {
    const [left, right] = [nodes[i]!, nodes[i + 1]!];
    if (left.size === right.size && left.first % (2 * left.size) === 0 && right.first === left.first + left.size) {
      const value = left.value.map((x, k) => Math.fround(x + right.value[k]!));
      return merge(tree, [...nodes.slice(0, i), { first: left.first, size: tree.grown(left.first, 2 * left.size), value }, ...nodes.slice(i + 2)]);
    }
  }
  return [...nodes];
};

/** The largest node that starts at the leaf `first` and has no leaf of slabs from `end` on. */
const sizeAt = (tree: Samples, first: number, end: number): number => {
  let size = tree.grown(first, 1);
  while (first % (2 * size) === 0 && tree.nextLeaf(first + 2 * size) <= tree.leafOf(end)) size = tree.grown(first, 2 * size);
  return size;
};

for (const width of ['128', '256'] as const) {
  test(`${width} bits: the gradient of any split merges to the gradient of the whole`, () => {
    const arena = new Arena(planOf(width));
    const shape = fc.record({
      inputs: fc.integer({ min: 1, max: 6 }), panels: fc.integer({ min: 1, max: 21 }), firstSlab: fc.nat(40), slabsPerSample: fc.nat(9), lastTokens: fc.integer({ min: 1, max: slabTokens }),
      cuts: fc.array(fc.nat(), { maxLength: 5 }), dataSeed: fc.integer(),
    });
    fc.assert(
      fc.property(shape, ({ inputs, panels, firstSlab, slabsPerSample, lastTokens, cuts, dataSeed }) => {
        arena.reset(dataSeed, 0);
        const tree = samples(Math.max(slabsPerSample, 1));
        const columns = 16, floats = inputs * columns;
        const inp = arena.floats(panels * inputs * slabTokens), turned = arena.floats(panels * slabTokens * columns);
        const dst = arena.floats(nodesMax(panels) * floats), scratch = arena.floats(gradientScratchBytes(columns, panels) / 4);
        const nodesOf = (from: number, to: number): Node[] => {
          const count = arena.kernels.gradient(dst, floats * 4, scratch, inp + from * inputs * panelRowBytes, inputs * panelRowBytes, turned + from * slabTokens * columns * 4, inputs, columns,
            to - from, tree.leafOf(firstSlab + from), slabsPerSample, slabsPerSample > 0 || to === panels ? lastTokens : slabTokens);
          assert.ok(count <= nodesMax(to - from));
          let first = tree.leafOf(firstSlab + from);
          const nodes = Array.from({ length: count }, (_, place) => {
            const node = { first, size: sizeAt(tree, first, firstSlab + to), value: arena.read(dst + place * floats * 4, floats) };
            first = tree.nextLeaf(first + node.size);
            return node;
          });
          assert.equal(first, tree.leafOf(firstSlab + to), 'the nodes cover the range');
          return nodes;
        };
        const edges = [...new Set([0, ...cuts.map((cut) => cut % panels), panels])].toSorted((a, b) => a - b);
        const parts = edges.slice(1).flatMap((to, i) => nodesOf(edges[i]!, to));
        assert.deepEqual(merge(tree, parts), nodesOf(0, panels));
      }),
      { seed: 20_261_125, numRuns: 120 },
    );
  });
}
