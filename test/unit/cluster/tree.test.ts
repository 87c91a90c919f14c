/** The token tree, the SwarmX tree, the loss of a step and the shares of MemoryX units: arithmetic on indices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { slabsPerWafer } from '../../../src/cluster/deal.js';
import { lossOf } from '../../../src/cluster/coordinator/loss.js';
import { unitShare } from '../../../src/cluster/memoryx/places.js';
import { planTree } from '../../../src/cluster/swarmx/tree.js';
import { mergeNodes, nodesOfRange } from '../../../src/cluster/token-tree.js';
import { nodesMax } from '../../../src/kernels/types.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const f32 = Math.fround;

test('a range leaves its maximal aligned nodes: they cover it in order, and none could be larger', () => {
  fc.assert(
    fc.property(fc.nat({ max: 5000 }), fc.nat({ max: 3000 }), (first, count) => {
      const nodes = nodesOfRange(first, count, 7);
      let next = first;
      for (const [i, { level, index, slot }] of nodes.entries()) {
        assert.equal(index * 2 ** level, next);
        assert.equal(slot, 7 + i);
        next += 2 ** level;
        const parent = Math.floor(index / 2) * 2 ** (level + 1);
        assert.ok(parent < first || parent + 2 ** (level + 1) > first + count, 'its parent reaches beyond the range');
      }
      assert.equal(next, first + count);
      assert.ok(nodes.length <= Math.max(1, nodesMax(count)));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('nodes of neighbouring ranges merge to those of their union, each merge lower leaves first', () => {
  fc.assert(
    fc.property(fc.nat({ max: 300 }), fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 8 }), (first, counts) => {
      let at = first, slot = 0;
      const parts = counts.flatMap((count) => {
        const nodes = nodesOfRange(at, count, slot);
        at += count;
        slot += nodes.length;
        return nodes;
      });
      const { merges, nodes } = mergeNodes(parts);
      const shape = (list: typeof nodes): string => list.map(({ level, index }) => `${level}:${index}`).join();
      assert.equal(shape(nodes), shape(nodesOfRange(first, at - first)));
      assert.equal(merges.length, parts.length - nodes.length);
      assert.ok(merges.every(({ into, from }) => into < from));
      assert.equal(new Set(merges.map(({ from }) => from)).size, merges.length);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('the loss is the tree over its leaves, each addition rounded, times the factor', () => {
  /** Level by level; an odd node at the end goes up unchanged. */
  const byLevels = (leaves: readonly number[]): number => {
    let level = [...leaves];
    while (level.length > 1) {
      const above: number[] = [];
      for (let i = 0; i < level.length; i += 2) above.push(i + 1 < level.length ? f32((level[i] as number) + (level[i + 1] as number)) : (level[i] as number));
      level = above;
    }
    return level[0] as number;
  };
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true, min: 0, max: 1000 }), { minLength: 1, maxLength: 70 }), fc.float({ noNaN: true, min: 0, max: 1 }), (leaves, factor) => {
      assert.equal(lossOf(Float32Array.from(leaves), factor), f32(byLevels(leaves) * factor));
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.equal(lossOf(new Float32Array(0), 1), 0);
});

test('the SwarmX tree reaches every wafer once over logarithmically many tiers, with no node above its ports', () => {
  for (let numCsx = 1; numCsx <= 192; numCsx++) for (const fanIn of [2, 4] as const) {
    const tree = planTree(numCsx, fanIn);
    const root = tree.at(-1);
    assert.deepEqual(tree.map((node) => node.id), tree.map((_, i) => i));
    assert.deepEqual([root?.firstWafer, root?.wafers], [0, numCsx]);
    assert.equal((root?.tier ?? -1) + 1, Math.max(1, Math.ceil(Math.log(numCsx) / Math.log(fanIn) - 1e-9)));
    const children = tree.flatMap((node) => node.children);
    assert.deepEqual(children.toSorted((a, b) => a - b), tree.slice(0, -1).map((node) => node.id), 'every node but the root has one parent');
    for (const node of tree) {
      if (node.tier === 0) assert.ok(node.wafers >= 1 && node.wafers <= fanIn);
      else {
        const below = node.children.map((id) => tree[id]);
        assert.ok(below.length >= 1 && below.length <= fanIn);
        let next = node.firstWafer;
        for (const child of below) {
          assert.equal(child?.tier, node.tier - 1);
          assert.equal(child?.firstWafer, next);
          next += child?.wafers ?? 0;
        }
        assert.equal(next, node.firstWafer + node.wafers);
      }
    }
  }
});

test('units share a parameter without gap or overlap, on cache lines', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 40 }), (size, units) => {
      let next = 0;
      for (let unit = 0; unit < units; unit++) {
        const { first, count } = unitShare(size, unit, units);
        if (count > 0) {
          assert.equal(first, next);
          assert.equal(first % 16, 0);
        }
        assert.ok(count >= 0, `unit ${unit}: ${count}`);
        next += count;
      }
      assert.equal(next, size);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('a micro-batch that ends inside a slab is refused, naming the nearest that does not', () => {
  assert.equal(slabsPerWafer(100, 1, 32, undefined), 4);
  assert.equal(slabsPerWafer(100, 3, 32, undefined), 2);
  assert.equal(slabsPerWafer(100, 1, 32, 64), 2);
  assert.equal(slabsPerWafer(100, 1, 32, 100), 4);
  assert.equal(slabsPerWafer(100, 4, 32, 64), 1);
  for (const [size, hint] of [[33, 'use 32'], [50, 'use 64'], [1, 'use 32'], [95, 'use 96']] as const) assert.throws(() => slabsPerWafer(100, 1, 32, size), (e) => e instanceof InvalidConfig && e.message.endsWith(hint));
  for (const size of [0, -32, 1.5, NaN]) assert.throws(() => slabsPerWafer(100, 1, 32, size), InvalidConfig);
});
