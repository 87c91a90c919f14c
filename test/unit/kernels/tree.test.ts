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

/** Merges any two neighbours that are siblings until there are none. */
const merge = (nodes: readonly Node[]): Node[] => {
  for (let i = 0; i + 1 < nodes.length; i++) {
    const [left, right] = [nodes[i]!, nodes[i + 1]!];
    if (left.size === right.size && left.first % (2 * left.size) === 0 && right.first === left.first + left.size) {
      const value = left.value.map((x, k) => Math.fround(x + right.value[k]!));
      return merge([...nodes.slice(0, i), { first: left.first, size: 2 * left.size, value }, ...nodes.slice(i + 2)]);
    }
  }
  return [...nodes];
};

/** The largest aligned power of two that starts at `first` and ends by `end`. */
const sizeAt = (first: number, end: number): number => {
  let size = 1;
  while (first % (2 * size) === 0 && first + 2 * size <= end) size *= 2;
  return size;
};

for (const width of ['128', '256'] as const) {
  test(`${width} bits: the gradient of any split merges to the gradient of the whole`, () => {
    const arena = new Arena(planOf(width));
    const shape = fc.record({
      inputs: fc.integer({ min: 1, max: 6 }), panels: fc.integer({ min: 1, max: 21 }), firstLeaf: fc.nat(40), lastTokens: fc.integer({ min: 1, max: slabTokens }),
      cuts: fc.array(fc.nat(), { maxLength: 5 }), dataSeed: fc.integer(),
    });
    fc.assert(
      fc.property(shape, ({ inputs, panels, firstLeaf, lastTokens, cuts, dataSeed }) => {
        arena.reset(dataSeed, 0);
        const columns = 16, floats = inputs * columns;
        const inp = arena.floats(panels * inputs * slabTokens), turned = arena.floats(panels * slabTokens * columns);
        const dst = arena.floats(nodesMax(panels) * floats), scratch = arena.floats(gradientScratchBytes(columns, panels) / 4);
        const nodesOf = (from: number, to: number): Node[] => {
          const count = arena.kernels.gradient(dst, floats * 4, scratch, inp + from * inputs * panelRowBytes, inputs * panelRowBytes, turned + from * slabTokens * columns * 4, inputs, columns,
            to - from, firstLeaf + from, to === panels ? lastTokens : slabTokens);
          assert.ok(count <= nodesMax(to - from));
          let first = firstLeaf + from;
          return Array.from({ length: count }, (_, place) => {
            const node = { first, size: sizeAt(first, firstLeaf + to), value: arena.read(dst + place * floats * 4, floats) };
            first += node.size;
            return node;
          });
        };
        const edges = [...new Set([0, ...cuts.map((cut) => cut % panels), panels])].toSorted((a, b) => a - b);
        const parts = edges.slice(1).flatMap((to, i) => nodesOf(edges[i]!, to));
        assert.deepEqual(merge(parts), nodesOf(0, panels));
      }),
      { seed: 20_261_125, numRuns: 60 },
    );
  });
}
