/**
 * Law: the action counts of a run equal closed formulas of program, deal and masks, whatever order, thread or kernel did the work.
 *
 * The formulas (test/support/watched.ts) walk over single tiles and single links, as the machine would be watched; the devices use sums over rows and columns.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstMasks, type Action, type Counts, type Model, type NamedMask } from '../../src/index.js';
import { resolveSparsity } from '../../src/sparsity/plan.js';
import { aClusterShape, aTraining, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';
import { place } from '../support/placed.js';
import { sum, watched, type SparseWeights } from '../support/watched.js';

const seed = 20210824;
/** Logits that are made block by block are not watched here. */
const held = { logits: 'held' } as const;
/** A step that is skipped counts no elements of the optimizer: test/laws/precision.test.ts. */
const noOverflow = { precision: { overflows: false } };
const quick: ClusterShape = { dispatcher: 'local', threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer } };

/** What each step knows of its sparse weights: the mask that it reads, and whether rigl wants its gradient at every position. */
const sparseSteps = async (model: Model, options: Training['options']): Promise<SparseWeights[]> => {
  const { sparsity, steps } = options;
  if (sparsity === undefined) return Array.from({ length: steps }, () => new Map());
  const plans = resolveSparsity(model, sparsity, steps).map(({ plan }) => plan), result: SparseWeights[] = [];
  for (let step = 0; step < steps; step++) {
    const masks: readonly NamedMask[] = step === 0 ? firstMasks(model, undefined, sparsity, options.seed) : (await trainOn(quick, model, { ...options, steps: step })).masks;
    result.push(new Map(plans.map((plan, i) => [plan.parameter, { mask: masks[i]?.mask ?? new Uint8Array(0), isGradientDense: plan.algorithm === 'rigl' && plan.updates.some(({ version }) => version === step + 1) }])));
  }
  return result;
};

const added = (all: readonly Counts[]): Counts => Object.fromEntries(all.flatMap((counts) => Object.keys(counts)).concat('macsSkipped').map((action) => [action, sum(all.map((counts) => counts[action as Action] ?? 0))])) as Counts;
const expected = async (model: Model, options: Training['options'], shape: ClusterShape): Promise<Counts> => {
  const placed = place(model, options, shape);
  return added((await sparseSteps(model, options)).map((sparse) => watched(placed, model, shape.fanIn ?? 4, sparse)));
};
const nonZero = (counts: Counts): Partial<Counts> => Object.fromEntries(Object.entries(counts).filter(([, amount]) => amount !== 0));

test('counts of any run equal those of watching every tile and link', async () => {
  let sparse = 0, dense = 0, skipped = 0;
  await fc.assert(
    fc.asyncProperty(aTraining(noOverflow), aClusterShape(), async ({ model, options }, drawn) => {
      const shape = { ...drawn, ...held };
      const { counts, redone } = (await trainOn(shape, model, options)).record;
      assert.deepEqual(nonZero(counts.total), nonZero(await expected(model, options, shape)));
      assert.deepEqual(nonZero(redone), {});
      if (options.sparsity !== undefined) sparse++;
      if (counts.total.macsSkipped > counts.total.macs) skipped++;
      if (options.sparsity?.some(({ algorithm }) => algorithm === 'rigl') === true) dense++;
      for (const action of Object.keys(counts.total) as Action[]) assert.equal(sum(Object.values(counts.devices).map((device) => device[action])), counts.total[action]);
    }),
    { seed, numRuns: 80 },
  );
  assert.ok(sparse > 12 && dense > 2 && skipped > 2, `${sparse} sparse runs, ${dense} with gradients at every position, ${skipped} that skipped most products`);
});

test('threads count the same', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(noOverflow), aClusterShape({ dispatcher: 'thread', numCsxMax: 20, threadsMax: 3 }), async ({ model, options }, drawn) => {
      const shape = { ...drawn, ...held };
      assert.deepEqual(nonZero((await trainOn(shape, model, options)).record.counts.total), nonZero(await expected(model, options, shape)));
    }),
    { seed, numRuns: 8 },
  );
});

test('tiles that work one by one count what a sweep counts, device by device', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ ...noOverflow, stepsMax: 1, batchMax: 100 }), aClusterShape({ numCsxMax: 5 }), async ({ model, options }, shape) => {
      const by = async (sweep: 'band' | 'tile') => (await trainOn({ ...shape, ...held, sweep, wafer: { rows: 3, cols: 4, spec: roomyWafer } }, model, options)).record.counts;
      assert.deepEqual(await by('tile'), await by('band'));
    }),
    { seed, numRuns: 15 },
  );
});

test('what a model costs does not depend on the machine', async () => {
  const work = ['macs', 'macsSkipped', 'biasAdds', 'elementwise', 'sramReadWords', 'sramWriteWords', 'optimizerElements', 'gatheredRows'] as const;
  await fc.assert(
    fc.asyncProperty(aTraining(noOverflow), aClusterShape(), async ({ model, options }, shape) => {
      const fixed = { ...held, recompute: 'none' } as const;
      const { total } = (await trainOn({ ...shape, ...fixed }, model, options)).record.counts;
      const one = (await trainOn({ dispatcher: 'local', wafer: { rows: 1, cols: 1, spec: roomyWafer }, ...fixed }, model, options)).record.counts.total;
      for (const action of work) assert.equal(total[action], one[action], action);
      const trained = (layer: number): boolean => model.layers.slice(0, layer).some(({ kind }) => kind === 'linear' || kind === 'embedding');
      // Two products a score going forward, four going back; a token sees itself and those before it.
      const tokens = model.tokensPerSample, seen = (tokens * (tokens + 1)) / 2;
      const macs = sum(model.layers.map((layer) => (layer.kind === 'linear' ? tokens * layer.inFeatures * layer.features * (trained(layer.id) ? 3 : 2) : layer.kind === 'attention' ? 6 * layer.heads * layer.headSize * seen : 0)));
      assert.equal(total.macs + total.macsSkipped, macs * options.batchSize * options.steps);
      const biases = sum(model.layers.map((layer) => (layer.kind === 'linear' && layer.bias !== null ? layer.features : 0)));
      assert.equal(total.biasAdds, 2 * biases * tokens * options.batchSize * options.steps);
    }),
    { seed, numRuns: 20 },
  );
});
