/**
 * Law: sparse weights are masked dense ones, to the bit. Every loss, weight and mask of a sparse run, on any machine, is that of a dense cluster whose weights are 0 where a mask stores
 * nothing (test/support/masked-dense.ts), as long as activations are finite; where they are not, an absent position is no term.
 *
 * Not here: kernels (kernels-sparse.test.ts), bounds of f64 (against-reference.test.ts), counts (sparse-counts.test.ts), deaths (faults.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Cluster, type NamedMask, type RunResult } from '../../src/index.js';
import { aClusterShape, aModel, assertSameBits, aTraining, aTransformer, mayBeSparse, optionsOn, roomyWafer, type ClusterShape, type Training } from '../../src/testing/index.js';
import { trainMasked } from '../support/masked-dense.js';

const seed = 20210824;
const plain: ClusterShape = { dispatcher: 'local', numCsx: 1, threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer } };

const sameMasks = (actual: readonly NamedMask[], expected: readonly NamedMask[], what: string): void => {
  assert.deepEqual(actual.map(({ name, shape }) => [name, shape]), expected.map(({ name, shape }) => [name, shape]));
  for (const [i, { name, mask }] of actual.entries()) {
    const other = expected[i]?.mask ?? new Uint8Array(0), at = mask.findIndex((stored, p) => stored !== other[p]);
    assert.ok(at < 0 && mask.length === other.length, `${what}: ${name} differs first at ${at}: ${mask[at]} here, ${other[at]} there`);
  }
};

/** A run, and what its reports say. */
const reported = async (shape: ClusterShape, { model, options }: Training): Promise<RunResult & { readonly norms: (number | null)[]; readonly sparsities: (number | undefined)[] }> => {
  const { cluster, training } = optionsOn(shape, model, options), norms: (number | null)[] = [], sparsities: (number | undefined)[] = [];
  await using started = await Cluster.start(cluster);
  const run = started.train(model, training);
  run.steps$.subscribe({ next: (report) => void (norms.push(report.gradientNorm ?? null), sparsities.push(report.sparsity)), error: () => {} });
  return { ...(await run.finished), norms, sparsities };
};

const aSparseTraining = (): fc.Arbitrary<Training> =>
  fc.oneof({ weight: 3, arbitrary: aModel() }, { weight: 1, arbitrary: aTransformer({ dropout: false, contextMax: 40, depthMax: 2 }) }).filter(mayBeSparse).chain((model) => aTraining({ model, sparsity: 'only', stepsMax: 3, batchMax: 80, samplesMax: 100 }));

test('a sparse run has the bits of a dense one with zeros: losses, norms, weights and masks after every step', async () => {
  const seen = { changes: 0, dense: 0, full: 0, empty: 0, blocks: 0, nOfM: 0, balanced: 0, clipped: 0, tile: 0, twin: 0, adam: 0, static: 0, gmp: 0, set: 0, rigl: 0, wide: 0 };
  await fc.assert(
    fc.asyncProperty(aSparseTraining(), aClusterShape({ numCsxMax: 20 }), fc.constantFrom(false, false, false, true), async (training, shape, isTwin) => {
      const { model, options } = training;
      const expected = await trainMasked({ ...plain, ...(isTwin ? { kernels: 'twin' as const } : {}) }, model, options);
      for (let steps = 1; steps <= options.steps; steps++) {
        const { record, weights, masks, norms, sparsities } = await reported(shape, { model, options: { ...options, steps } }), last = expected[steps - 1];
        assert.ok(last !== undefined);
        assert.deepEqual(record.losses, expected.slice(0, steps).map(({ loss }) => loss));
        assert.deepEqual(norms, expected.slice(0, steps).map(({ gradientNorm }) => gradientNorm));
        sameMasks(masks, last.masks, `after step ${steps}`);
        assertSameBits(weights, last.weights, `after step ${steps} the sparse run and the masked one`);
        assert.equal(record.masksKept, 0);
        const size = masks.reduce((sum, { mask }) => sum + mask.length, 0), stored = masks.reduce((sum, { mask }) => mask.reduce((all, one) => all + one, sum), 0);
        assert.equal(sparsities.at(-1), 1 - stored / size);
        assert.deepEqual(record.sparsity.map(({ name, size: of, stored: own }) => [name, of, own]), masks.map(({ name, mask }) => [name, mask.length, mask.reduce((a, b) => a + b, 0)]));
      }
      seen.changes += expected.reduce((sum, { changed }) => sum + changed, 0);
      const groups = options.sparsity ?? [], masks = expected.at(-1)?.masks ?? [];
      for (const { algorithm, pattern, balance } of groups) {
        seen[algorithm]++;
        if (pattern === 'blocks') seen.blocks++;
        if (typeof pattern === 'object') seen.nOfM++;
        if (balance !== null) seen.balanced++;
      }
      if (masks.some(({ mask }) => !mask.includes(0))) seen.full++;
      if (masks.some(({ mask }) => !mask.includes(1))) seen.empty++;
      if (masks.some(({ mask }) => mask.length > 32 && mask.reduce((a, b) => a + b, 0) > 0.6 * mask.length && mask.includes(0))) seen.dense++;
      if (masks.some(({ shape: [inputs = 0, outputs = 0] }) => inputs > 256 || outputs > 256)) seen.wide++;
      if (options.clipNorm !== undefined) seen.clipped++;
      if (shape.sweep === 'tile') seen.tile++;
      if (shape.kernels === 'twin' || isTwin) seen.twin++;
      if (options.optimizer.kind !== 'sgd') seen.adam++;
    }),
    { seed, numRuns: 60 },
  );
  assert.ok(Object.values(seen).every((count) => count >= 3), `too much alike: ${JSON.stringify(seen)}`);
  assert.ok(seen.changes > 40, JSON.stringify(seen));
});
