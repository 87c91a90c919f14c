/**
 * Law: what goes out comes back. Credits; weights, each to each wafer once a pass; leaves of the token tree, each into the root once and at
 * its own place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealBatch, lanesIn, slabsOfSample, slabsPerWafer, tokensIn } from '../../src/cluster/deal.js';
import { nodesAbove, nodesOfBand, nodesOfWafer, type Gathered } from '../../src/cluster/gradient-nodes.js';
import type { BandPlan } from '../../src/cluster/layout.js';
import { NodeStack, stackDepth } from '../../src/cluster/memoryx/collect.js';
import { planTree } from '../../src/cluster/swarmx/tree.js';
import type { Merge } from '../../src/cluster/token-tree.js';
import { cutBands } from '../../src/cluster/wafer/arena.js';
import { compile } from '../../src/compiler/compile.js';
import { mlp, type Model } from '../../src/index.js';
import { resolveSparsity } from '../../src/sparsity/plan.js';
import { numberFormats } from '../../src/model/precision.js';
import { aClusterShape, aTraining, roomyWafer, trainOn } from '../../src/testing/index.js';
import { place } from '../support/placed.js';

const seed = 20210824, slab = 32;
/** What is streamed of sparse weights is watched in counts.test.ts. */
const dense = { sparsity: false } as const;
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

interface Streamed {
  /** Values that go down for the forward pass and for the delta (0 where nothing before is trained), and that come up. */
  readonly forward: number;
  readonly delta: number;
  readonly gradient: number;
  /** Forward passes: one more where the layer is recomputed. */
  readonly times: number;
}

/** Layers whose parameters are streamed. With recomputation by block all of a block but its output is computed again, unless it is the last block: that one is still there. */
const streamedOf = (model: Model, isRecomputed: boolean): readonly Streamed[] => {
  const { layers } = model, own = layers.filter(({ kind }) => kind === 'linear' || kind === 'norm');
  const blocks = layers.flatMap(({ block }) => (block === null ? [] : [block])), lastOf = (block: number) => own.filter((layer) => layer.block === block).at(-1);
  return layers.flatMap((layer) => {
    if (layer.kind !== 'linear' && layer.kind !== 'norm') return [];
    const weights = layer.kind === 'norm' ? layer.features : layer.inFeatures * layer.features, whole = weights + (layer.bias === null ? 0 : layer.features);
    const isTrained = layers.slice(0, layer.id).some(({ kind }) => kind === 'linear' || kind === 'embedding' || kind === 'norm');
    const again = isRecomputed && layer.block !== null && layer.block !== Math.max(...blocks) && lastOf(layer.block) !== layer;
    return [{ forward: whole, delta: isTrained ? weights : 0, gradient: whole, times: again ? 2 : 1 }];
  });
};

test('credits out = credits back, within their capacities, one for every block', async () => {
  let sparse = 0;
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape({ numCsxMax: 20 }), async ({ model, options }, drawn) => {
      const shape = { ...drawn, logits: 'held' as const };
      const { credits, shape: ran } = (await trainOn(shape, model, options)).record;
      assert.deepEqual(Object.keys(credits).toSorted(), ['ahead', 'gradients', 'weights']);
      for (const [name, { out, back, highWater }] of Object.entries(credits)) {
        assert.equal(out, back, name);
        assert.ok(highWater >= 1 && highWater <= ({ ahead: 8, weights: 4, gradients: 3 }[name] ?? 0), `${name}: ${highWater} at once`);
      }
      const { program } = place(model, options, shape), passes = options.steps * ran.microBatches;
      const streamed = streamedOf(model, program.recompute === 'block' || program.recompute === 'offload');
      assert.equal(program.streamed.length, streamed.length);
      // Before a gradient of stored positions, these go down as a block does.
      const plans = options.sparsity === undefined ? [] : resolveSparsity(model, options.sparsity, options.steps).map((resolved) => resolved.plan);
      const positions = sum(plans.map(({ parameter, algorithm, updates }) => {
        const everywhere = algorithm === 'rigl' ? updates.length : 0;
        return (options.steps - everywhere) * (program.streamed.find(({ weight }) => weight === parameter)?.forwardBlocks.length ?? 0);
      }));
      if (positions > 0) sparse++;
      assert.equal(credits['weights']?.out, passes * sum(program.streamed.map((plan, i) => (streamed[i]?.times ?? 0) * plan.forwardBlocks.length + plan.deltaBlocks.length)) + ran.microBatches * positions);
      assert.equal(credits['gradients']?.out, passes * sum(program.streamed.map((plan) => plan.forwardBlocks.length)));
    }),
    { seed, numRuns: 30 },
  );
  assert.ok(sparse > 4, `${sparse} sparse runs`);
});

test('each weight is sent to each wafer exactly once a pass, and every wafer with samples sends each gradient once', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(dense), aClusterShape(), async ({ model, options }, drawn) => {
      const shape = { ...drawn, logits: 'held' as const };
      const { counts, shape: ran } = (await trainOn(shape, model, options)).record;
      const { program, batch } = place(model, options, shape);
      const streamed = streamedOf(model, program.recompute === 'block' || program.recompute === 'offload');
      const passes = options.steps * ran.microBatches;
      const gradientBytes = 4 * sum(streamed.map((layer) => layer.gradient));
      const bytes = passes * numberFormats[program.numbers.weights].bytes * sum(streamed.map((layer) => layer.times * layer.forward + layer.delta));
      const fanIn = shape.fanIn ?? 4;
      for (let node = 0; node * fanIn < ran.numCsx; node++) {
        const wafers = Math.min(fanIn, ran.numCsx - node * fanIn);
        assert.equal(counts.devices[`swarmx/0/${node}`]?.linkDownBytes, wafers * bytes, `node ${node}`);
      }
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
    micro: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    tokensPerSample: fc.oneof({ weight: 1, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 400 }) }),
    rows: fc.integer({ min: 1, max: 70 }),
    threads: fc.integer({ min: 1, max: 9 }),
    fanIn: fc.constantFrom(2 as const, 4 as const),
  }).map(({ micro, tokensPerSample, samples: drawn, ...rest }) => {
    // Sequences count for their slabs, so that no case is much larger than another.
    const samples = tokensPerSample === 1 ? drawn : Math.ceil(drawn / 32 / Math.ceil(tokensPerSample / 32));
    const microBatchSize = micro === undefined ? undefined : tokensPerSample === 1 ? micro * slab : micro;
    return { ...rest, batch: { samples, tokensPerSample, numCsx: rest.numCsx, slabsPerWafer: slabsPerWafer(samples, rest.numCsx, slab, microBatchSize, tokensPerSample), slabTokens: slab } };
  });

test('the deal gives every sample whole to one wafer of one micro-batch, in order, and to none more than its share', () => {
  fc.assert(
    fc.property(aBatch(), ({ batch }) => {
      let next = 0, tokens = 0;
      const together = slabsOfSample(batch);
      for (const microBatch of dealBatch(batch)) {
        assert.equal(microBatch.first, next);
        for (const range of microBatch.wafers) {
          assert.equal(range.first, next);
          assert.ok(range.count >= 0 && range.count <= batch.slabsPerWafer, `${range.count} slabs of at most ${batch.slabsPerWafer}`);
          next += range.count;
          assert.equal(range.first % together, 0);
          assert.equal(range.count % together, 0);
          tokens += tokensIn(range, batch);
        }
        assert.equal(next, microBatch.first + microBatch.count);
        assert.equal(microBatch.wafers.length, batch.numCsx);
      }
      assert.equal(next, batch.tokensPerSample === 1 ? Math.ceil(batch.samples / slab) : batch.samples * Math.ceil(batch.tokensPerSample / slab));
      assert.equal(tokens, batch.samples * batch.tokensPerSample);
    }),
    { seed, numRuns: 500 },
  );
});

/** The tree of the contract over leaves first … first+span−1, written out; an absent subtree hands its sibling through. '' if nothing of it exists. */
const written = (exists: (leaf: number) => boolean, first: number, span: number): string => {
  if (span === 1) return exists(first) ? String(first) : '';
  const [left, right] = [written(exists, first, span / 2), written(exists, first + span / 2, span / 2)];
  return left === '' || right === '' ? left + right : `(${left}+${right})`;
};
const powerOver = (n: number): number => 2 ** Math.ceil(Math.log2(n));

test('every leaf enters the root once, at the place that the contract gives it, through bands, wafers, SwarmX and MemoryX', () => {
  fc.assert(
    fc.property(aBatch(), ({ batch, rows, threads, fanIn }) => {
      const tokens = Math.max(...dealBatch(batch).flatMap(({ wafers }) => wafers.map((range) => lanesIn(range, batch))));
      const program = compile(mlp([2, 2]), { tokens, wafer: { rows, cols: 1 }, spec: { ...roomyWafer, sramBytesPerTile: 2 ** 30 } });
      const together = slabsOfSample(batch), perSample = powerOver(together), samples = batch.tokensPerSample === 1 ? Math.ceil(batch.samples / slab) : batch.samples;
      const exists = (leaf: number): boolean => leaf % perSample < together && Math.floor(leaf / perSample) < samples;
      const bands = cutBands(program.slabs, batch.numCsx, threads, together).map((cut, id): BandPlan => ({ ...cut, id, buffers: [], labels: 0, factor: 0, rows: 0, partial: 0, turned: 0, stack: 0, gradients: [], scatter: 0, fabric: 0, live: 0, captured: [] }));
      const tree = planTree(batch.numCsx, fanIn);
      const stack = new NodeStack(together);
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
        for (const band of bands) for (const { level, index, slot } of nodesOfBand(band, microBatch, together)) {
          assert.ok(!values.has(slot), 'every node has a slot of its own');
          values.set(slot, written(exists, index * 2 ** level, 2 ** level));
        }
        const wafers = microBatch.wafers.map((_, w) => nodesOfWafer(bands, w, microBatch, together));
        for (const { merges } of wafers) follow(merges);
        const above = new Map<number, Gathered>();
        for (const node of tree) {
          const below = node.tier === 0 ? wafers.slice(node.firstWafer, node.firstWafer + node.wafers) : node.children.map((child) => above.get(child) as Gathered);
          const own = nodesAbove(below.map(({ nodes }) => nodes), together);
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
      assert.deepEqual(waiting, [written(exists, 0, perSample * powerOver(samples))]);
      assert.ok(depth <= stackDepth(batch), `${depth} gradients waited, ${stackDepth(batch)} have room`);
    }),
    { seed, numRuns: 400 },
  );
});
