/**
 * Law: what goes out comes back. Credits; weights, each to each wafer once a pass; leaves of the token tree, each into the root once and at
 * its own place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealBatch, samplesIn, slabsPerWafer } from '../../src/cluster/deal.js';
import { nodesAbove, nodesOfBand, nodesOfWafer, type Gathered } from '../../src/cluster/gradient-nodes.js';
import type { BandPlan } from '../../src/cluster/layout.js';
import { NodeStack, stackDepth } from '../../src/cluster/memoryx/collect.js';
import { planTree } from '../../src/cluster/swarmx/tree.js';
import type { Merge } from '../../src/cluster/token-tree.js';
import { cutBands } from '../../src/cluster/wafer/arena.js';
import { compile } from '../../src/compiler/compile.js';
import { mlp, type Model } from '../../src/index.js';
import { aClusterShape, aTraining, roomyWafer, trainOn } from '../../src/testing/index.js';

const seed = 20210824, slab = 32;
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** Linear layers of a model: shape, bias, and whether anything before them is trained. */
const linearsOf = (model: Model): readonly { readonly inputs: number; readonly outputs: number; readonly bias: number; readonly delta: boolean }[] =>
  model.layers.flatMap((layer) =>
    layer.kind === 'linear'
      ? [{ inputs: layer.inFeatures, outputs: layer.features, bias: layer.bias === null ? 0 : 1, delta: model.layers.slice(0, layer.id).some(({ kind }) => kind === 'linear' || kind === 'embedding') }]
      : []);

test('credits out = credits back, within their capacities, one for every block', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape({ numCsxMax: 20 }), async ({ model, options }, shape) => {
      const { credits, shape: ran } = (await trainOn(shape, model, options)).record;
      assert.deepEqual(Object.keys(credits).toSorted(), ['ahead', 'gradients', 'weights']);
      for (const [name, { out, back, highWater }] of Object.entries(credits)) {
        assert.equal(out, back, name);
        assert.ok(highWater >= 1 && highWater <= ({ ahead: 8, weights: 4, gradients: 3 }[name] ?? 0), `${name}: ${highWater} at once`);
      }
      const { linears } = compile(model, { tokens: 32, wafer: { rows: 1, cols: 1 }, spec: roomyWafer });
      const passes = options.steps * ran.microBatches;
      assert.equal(credits['weights']?.out, passes * sum(linears.map((l) => l.forwardBlocks.length + l.deltaBlocks.length)));
      assert.equal(credits['gradients']?.out, passes * sum(linears.map((l) => l.forwardBlocks.length)));
    }),
    { seed, numRuns: 30 },
  );
});

test('each weight is sent to each wafer exactly once a pass, and every wafer with samples sends each gradient once', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape(), async ({ model, options }, shape) => {
      const { counts, shape: ran } = (await trainOn(shape, model, options)).record;
      const linears = linearsOf(model);
      const passes = options.steps * ran.microBatches;
      const gradientBytes = 4 * sum(linears.map((l) => (l.inputs + l.bias) * l.outputs));
      const bytes = passes * (gradientBytes + 4 * sum(linears.map((l) => (l.delta ? l.inputs * l.outputs : 0))));
      const fanIn = shape.fanIn ?? 4;
      for (let node = 0; node * fanIn < ran.numCsx; node++) {
        const wafers = Math.min(fanIn, ran.numCsx - node * fanIn);
        assert.equal(counts.devices[`swarmx/0/${node}`]?.linkDownBytes, wafers * bytes, `node ${node}`);
      }
      const batch = { samples: options.batchSize, numCsx: ran.numCsx, slabsPerWafer: ran.slabsPerWafer, slabTokens: slab };
      for (let wafer = 0; wafer < ran.numCsx; wafer++) {
        const busy = dealBatch(batch).filter(({ wafers }) => (wafers[wafer]?.count ?? 0) > 0).length;
        assert.equal(counts.devices[`wafer/${wafer}`]?.ioOutBytes ?? 0, options.steps * busy * gradientBytes, `wafer ${wafer}`);
      }
    }),
    { seed, numRuns: 30 },
  );
});

const aBatch = () =>
  fc.record({
    samples: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 400 }) }, { weight: 1, arbitrary: fc.integer({ min: 401, max: 20_000 }) }),
    numCsx: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 9 }) }, { weight: 1, arbitrary: fc.integer({ min: 10, max: 192 }) }),
    microSlabs: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    rows: fc.integer({ min: 1, max: 70 }),
    threads: fc.integer({ min: 1, max: 9 }),
    fanIn: fc.constantFrom(2 as const, 4 as const),
  }).map(({ microSlabs, ...rest }) => ({
    ...rest,
    batch: { samples: rest.samples, numCsx: rest.numCsx, slabsPerWafer: slabsPerWafer(rest.samples, rest.numCsx, slab, microSlabs === undefined ? undefined : microSlabs * slab), slabTokens: slab },
  }));

test('the deal gives every sample to one wafer of one micro-batch, in order, and to none more than its share', () => {
  fc.assert(
    fc.property(aBatch(), ({ batch }) => {
      let next = 0, samples = 0;
      for (const microBatch of dealBatch(batch)) {
        assert.equal(microBatch.first, next);
        for (const range of microBatch.wafers) {
          assert.equal(range.first, next);
          assert.ok(range.count >= 0 && range.count <= batch.slabsPerWafer, `${range.count} slabs of at most ${batch.slabsPerWafer}`);
          next += range.count;
          samples += samplesIn(range, batch);
        }
        assert.equal(next, microBatch.first + microBatch.count);
        assert.equal(microBatch.wafers.length, batch.numCsx);
      }
      assert.equal(next, Math.ceil(batch.samples / slab));
      assert.equal(samples, batch.samples);
    }),
    { seed, numRuns: 500 },
  );
});

/** The tree of the contract over leaves first … first+span−1, written out; an absent subtree hands its sibling through. */
const written = (leaves: number, first: number, span: number): string => {
  if (span === 1) return String(first);
  const left = written(leaves, first, span / 2);
  return first + span / 2 >= leaves ? left : `(${left}+${written(leaves, first + span / 2, span / 2)})`;
};

test('every leaf enters the root once, at the place that the contract gives it, through bands, wafers, SwarmX and MemoryX', () => {
  fc.assert(
    fc.property(aBatch(), ({ batch, rows, threads, fanIn }) => {
      const tokens = Math.max(...dealBatch(batch).flatMap(({ wafers }) => wafers.map((range) => samplesIn(range, batch))));
      const program = compile(mlp([2, 2]), { tokens, wafer: { rows, cols: 1 }, spec: { ...roomyWafer, sramBytesPerTile: 2 ** 30 } });
      const bands = cutBands(program.slabs, batch.numCsx, threads).map((cut, id): BandPlan => ({ ...cut, id, buffers: [], labels: 0, factor: 0, softmax: 0, turned: 0, stack: 0, gradients: [], scatter: 0, fabric: 0 }));
      const tree = planTree(batch.numCsx, fanIn);
      const stack = new NodeStack();
      const waiting: string[] = [];
      let depth = 0;
      const microBatches = dealBatch(batch);
      microBatches.forEach((microBatch, m) => {
        const values = new Map<number, string>();
        const follow = (merges: readonly Merge[]): void => {
          for (const { into, from } of merges) {
            assert.ok(values.has(into) && values.has(from), 'a merge reads what is there');
            values.set(into, `(${values.get(into)}+${values.get(from)})`);
            values.delete(from);
          }
        };
        for (const band of bands) for (const { level, index, slot } of nodesOfBand(band, microBatch)) {
          assert.ok(!values.has(slot), 'every node has a slot of its own');
          values.set(slot, written(Infinity, index * 2 ** level, 2 ** level));
        }
        const wafers = microBatch.wafers.map((_, w) => nodesOfWafer(bands, w, microBatch));
        for (const { merges } of wafers) follow(merges);
        const above = new Map<number, Gathered>();
        for (const node of tree) {
          const below = node.tier === 0 ? wafers.slice(node.firstWafer, node.firstWafer + node.wafers) : node.children.map((child) => above.get(child) as Gathered);
          const own = nodesAbove(below.map(({ nodes }) => nodes));
          follow(own.merges);
          above.set(node.id, own);
        }
        const values$ = (incoming: string) => ({
          take: (position: number) => void (waiting[position] = incoming),
          add: (position: number) => void (waiting[position] = `(${waiting[position]}+${incoming})`),
          fold: (position: number) => void waiting.splice(position, 2, `(${waiting[position]}+${waiting[position + 1]})`),
        });
        const arriving = above.get((tree.at(-1) as { readonly id: number }).id)?.nodes ?? [];
        assert.equal(arriving.length, values.size, 'nothing is left behind on the way');
        for (const node of arriving) {
          stack.push(node, values$(values.get(node.slot) as string));
          depth = Math.max(depth, waiting.length);
        }
        if (m === microBatches.length - 1) stack.finish(values$(''));
      });
      const leaves = Math.ceil(batch.samples / slab);
      assert.deepEqual(waiting, [written(leaves, 0, 2 ** Math.ceil(Math.log2(leaves)))]);
      assert.ok(depth <= stackDepth(batch), `${depth} gradients waited, ${stackDepth(batch)} have room`);
    }),
    { seed, numRuns: 400 },
  );
});
