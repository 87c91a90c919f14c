/**
 * Law: a training gives the same weights and losses, to the bit, on any machine: any number of CS-2, threads, rectangle, micro-batches,
 * fan-in, sweep, recomputation, logits held or streamed, order of turns, kernels and dispatcher.
 *
 * The plainest machine there is stands on one side: one CS-2, one thread, one tile high and wide, the whole batch at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RunResult } from '../../src/index.js';
import { maskChanges } from '../support/mask-changes.js';
import { aClusterShape, assertSameBits, aTraining, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';

const seed = 20210824;
const plainest: ClusterShape = { dispatcher: 'local', numCsx: 1, threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer }, kernels: 'simd128', recompute: 'none', logits: 'held' };

const same = (a: RunResult, b: RunResult): void => {
  assert.deepEqual(b.record.losses, a.record.losses);
  assertSameBits(a.weights, b.weights);
  assert.deepEqual(b.masks, a.masks);
  assert.equal(b.record.weightsDigest, a.record.weightsDigest);
};
const on = ({ model, options }: Training, shape: ClusterShape): Promise<RunResult> => trainOn(shape, model, options);

test('any machine on the local dispatcher gives the bits of the plainest', async () => {
  const seen = { systems: new Set<number>(), tile: 0, twin: 0, microBatches: 0, again: 0, streamed: 0, shared: 0, clipped: 0, sparse: 0, changed: 0, sparseTiles: 0, denseStart: 0, sparseClipped: 0 };
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape(), async (training, shape) => {
      const result = await on(training, shape);
      same(await on(training, plainest), result);
      seen.systems.add(result.record.shape.numCsx);
      if (shape.sweep === 'tile') seen.tile++;
      if (shape.kernels === 'twin') seen.twin++;
      if (result.record.shape.microBatches > 1) seen.microBatches++;
      if (training.options.clipNorm !== undefined) seen.clipped++;
      const changes = maskChanges(training, result);
      if (result.masks.length > 0) {
        seen.sparse++;
        if (changes > 0) seen.changed++;
        if (shape.sweep === 'tile') seen.sparseTiles++;
        if (training.options.clipNorm !== undefined) seen.sparseClipped++;
        if (training.options.sparsity?.some(({ algorithm, update }) => algorithm !== 'static' && update.kind === 'every' && update.start > 0) === true) seen.denseStart++;
      }
      if (training.model.tokensPerSample === 1) return;
      if (shape.recompute === 'block' || shape.recompute === 'offload') seen.again++;
      if (shape.logits === 'streamed' && shape.sweep === 'band') seen.streamed++;
      // Slabs of one sample on several threads: they share its heads.
      if ((shape.threads as number) > 1 && training.model.tokensPerSample > 32) seen.shared++;
    }),
    { seed, numRuns: 100 },
  );
  const { systems, ...others } = seen;
  assert.ok(systems.size > 10 && Object.values(others).every((count) => count > 3), `the machines were too much alike: ${JSON.stringify(seen)}, ${seen.systems.size}`);
});

test('any machine on the thread dispatcher gives the bits of the plainest', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape({ dispatcher: 'thread', numCsxMax: 24, threadsMax: 3 }), async (training, shape) => {
      same(await on(training, plainest), await on(training, shape));
    }),
    { seed, numRuns: 12 },
  );
});

test('a whole cluster of 192 systems gives the bits of one', async () => {
  const [training] = fc.sample(aTraining({ stepsMax: 2 }), { seed, numRuns: 1 }) as [Training];
  same(await on(training, plainest), await on(training, { dispatcher: 'local', numCsx: 192, threads: 2 }));
});

test('the same machine twice gives the same record but for host memory and time', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining(), aClusterShape({ numCsxMax: 8 }), async (training, shape) => {
      assert.deepEqual((await on(training, shape)).record, (await on(training, shape)).record);
    }),
    { seed, numRuns: 5 },
  );
});

test('other seeds and other data give other bits: the comparison is not blind', async () => {
  const [training] = fc.sample(aTraining({ stepsMax: 2, batchMax: 64 }).filter(({ model, options }) => model.parameterCount > 20 && options.batchSize > 8), { seed, numRuns: 1 }) as [Training];
  const one = await on(training, plainest);
  const other = await on({ ...training, options: { ...training.options, seed: training.options.seed + 1 } }, plainest);
  assert.throws(() => assertSameBits(one.weights, other.weights), /differ first in .*\[\d+\]: .*0x[0-9a-f]{8}/);
});
