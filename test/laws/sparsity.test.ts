/**
 * Law: sparse weights are masked dense ones, to the bit. Every loss, weight and mask of a sparse run, on any machine, is that of a dense cluster whose weights are 0 where a mask stores
 * nothing (test/support/masked-dense.ts), as long as activations are finite; where they are not, an absent position is no term.
 *
 * Not here: kernels (kernels-sparse.test.ts), bounds of f64 (against-reference.test.ts), counts (counts.test.ts), deaths (faults.test.ts).
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  adamW, Cluster, features, firstMasks, gpt, linear, mlp, model, readCheckpoint, sgd, sparsity, writeCheckpoint,
  type MaskInit, type NamedMask, type NamedTensor, type RunResult, type SparsityOptions,
} from '../../src/index.js';
import { aClusterShape, aModel, assertSameBits, aTraining, aTransformer, mayBeSparse, optionsOn, roomyWafer, trainOn, type ClusterShape, type Training } from '../../src/testing/index.js';
import { trainMasked, type MaskedStep } from '../support/masked-dense.js';

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
const reported = async (shape: ClusterShape, { model: net, options }: Training): Promise<RunResult & { readonly norms: (number | null)[]; readonly sparsities: (number | undefined)[] }> => {
  const { cluster, training } = optionsOn(shape, net, options), norms: (number | null)[] = [], sparsities: (number | undefined)[] = [];
  await using started = await Cluster.start(cluster);
  const run = started.train(net, training);
  run.steps$.subscribe({ next: (report) => void (norms.push(report.gradientNorm ?? null), sparsities.push(report.sparsity)), error: () => {} });
  return { ...(await run.finished), norms, sparsities };
};

const aSparseTraining = (): fc.Arbitrary<Training> =>
  fc.oneof({ weight: 3, arbitrary: aModel() }, { weight: 1, arbitrary: aTransformer({ dropout: false, contextMax: 40, depthMax: 2 }) }).filter(mayBeSparse).chain((net) => aTraining({ model: net, sparsity: 'only', precision: false, stepsMax: 3, batchMax: 80, samplesMax: 100 }));

/** Holds a sparse run against the masked dense one, after every step; gives what the dense one went through. */
const sameAsMasked = async ({ model: net, options }: Training, shape: ClusterShape, dense: ClusterShape): Promise<MaskedStep[]> => {
  const expected = await trainMasked(dense, net, options);
  for (let steps = 1; steps <= options.steps; steps++) {
    const { record, weights, masks, norms, sparsities } = await reported(shape, { model: net, options: { ...options, steps } }), last = expected[steps - 1];
    assert.ok(last !== undefined);
    assert.deepEqual(record.losses, expected.slice(0, steps).map(({ loss }) => loss));
    assert.deepEqual(norms, expected.slice(0, steps).map(({ gradientNorm }) => gradientNorm));
    sameMasks(masks, last.masks, `after step ${steps}`);
    assertSameBits(weights, last.weights, `after step ${steps} the sparse run and the masked one`);
    assert.equal(record.masksKept, 0);
    const size = masks.reduce((sum, { mask }) => sum + mask.length, 0), stored = masks.reduce((sum, { mask }) => mask.reduce((all, one) => all + one, sum), 0);
    assert.equal(sparsities.at(-1), 1 - stored / size);
    assert.deepEqual(record.sparsity.map(({ name, size: of, stored: own }) => [name, of, own]), masks.map(({ name, mask }) => [name, mask.length, mask.reduce((x, y) => x + y, 0)]));
  }
  return expected;
};

test('a sparse run has the bits of a dense one with zeros: losses, norms, weights and masks after every step', async () => {
  const seen = { changes: 0, dense: 0, full: 0, empty: 0, blocks: 0, nOfM: 0, balanced: 0, clipped: 0, tile: 0, twin: 0, adam: 0, static: 0, gmp: 0, set: 0, rigl: 0, wide: 0 };
  await fc.assert(
    fc.asyncProperty(aSparseTraining(), aClusterShape({ numCsxMax: 20 }), fc.constantFrom(false, false, false, true), async (training, shape, isTwin) => {
      const { options } = training, expected = await sameAsMasked(training, shape, { ...plain, ...(isTwin ? { kernels: 'twin' as const } : {}) });
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

test('weights of many chunks, blocks and stretches of the optimizer are masked dense ones, too', async () => {
  // 102,000 positions: outputs in more than one block, inputs and outputs in two chunks, squares and updates shared by units.
  const net = mlp([300, 340, 4]), samples = 40, data = { kind: 'features' as const, inputs: Float32Array.from({ length: samples * 300 }, (_, at) => ((at * 37) % 119) / 119 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 4) };
  const kinds: readonly SparsityOptions[] = [
    { algorithm: 'rigl', sparsity: 0.9, pattern: 'blocks' }, { algorithm: 'gmp', sparsity: [0, 0.3, 0.8], init: 'topk' }, { algorithm: 'set', sparsity: 0.5, balance: { axis: 'outputs', groups: 4 } }, { pattern: { n: 2, m: 4 }, init: 'topk' },
  ];
  for (const [i, kind] of kinds.entries()) {
    const shape: ClusterShape = { dispatcher: 'local', numCsx: 1 + i, threads: 3, wafer: { rows: 2, cols: 7, spec: roomyWafer } };
    const options = { data, optimizer: i % 2 === 0 ? adamW() : sgd({ learningRate: 0.1, momentum: 0.9 }), steps: 2, batchSize: samples, seed: i, clipNorm: 0.05, sparsity: sparsity({ ...kind, params: 'linear0.weight' }) };
    const { changed } = (await sameAsMasked({ model: net, options }, shape, plain)).at(-1) ?? {};
    assert.equal(changed, kind.algorithm === undefined ? 0 : 1);
  }
});

/** 40 samples of two features: one as large as given, one that is 1. */
const twoFeatures = (size: number) => ({ kind: 'features' as const, inputs: Float32Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? size : 1)), labels: Int32Array.from({ length: 40 }, (_, i) => i % 3) });
const tensor = (name: string, shape: readonly [number, number] | readonly [number], value: (i: number, o: number) => number): NamedTensor => {
  const [rows, columns = 1] = shape;
  return { name, shape, data: Float32Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns)) };
};
const machines: readonly ClusterShape[] = [
  plain, { dispatcher: 'local', numCsx: 3, threads: 2, wafer: { rows: 4, cols: 5, spec: roomyWafer }, kernels: 'twin' }, { dispatcher: 'local', numCsx: 2, threads: 1, wafer: { rows: 3, cols: 2, spec: roomyWafer }, sweep: 'tile' },
];

test('a mask stays where a gradient of the step is not finite, and only gradients that are formed count', async () => {
  // 3e38 · 1e-38 is 3, but the gradient of that weight is a sum of 3e38 · 50.
  const net = mlp([2, 4, 3]), weights = [tensor('linear0.weight', [2, 4], (i, o) => (i === 0 ? 1e-38 : 0.1 * (o + 1))), tensor('linear0.bias', [4], () => 0), tensor('linear1.weight', [4, 3], (i, o) => 1000 * (o + 1) + 7 * i), tensor('linear1.bias', [3], () => 0)];
  const run = (shape: ClusterShape, size: number, of: SparsityOptions, steps = 1): Promise<RunResult> =>
    trainOn(shape, net, { data: twoFeatures(size), optimizer: sgd({ learningRate: 1e-6, momentum: 0.9 }), steps, batchSize: 40, weights, sparsity: sparsity(of), inspect: true });
  const behindRow: MaskInit = ({ shape: [, outputs = 0] }) => Uint8Array.from({ length: 2 * outputs }, (_, at) => (at >= outputs ? 1 : 0));
  for (const shape of machines) {
    const gmp: SparsityOptions = { algorithm: 'gmp', sparsity: [0.3, 0.75], params: 'linear1.weight', init: 'checkerboard' };
    const kept = await run(shape, 3e38, gmp), changed = await run(shape, 1, gmp);
    const [first] = firstMasks(net, weights, sparsity(gmp));
    const [infinite, , own] = kept.inspection?.gradients ?? [];
    assert.ok(Number.isFinite(kept.record.losses[0]) && infinite?.data.some((g) => Math.abs(g) === Infinity) === true && own?.data.every(Number.isFinite) === true);
    assert.deepEqual([kept.record.masksKept, changed.record.masksKept], [1, 0]);
    assert.deepEqual(kept.masks[0]?.mask, first?.mask);
    assert.notDeepEqual(changed.masks[0]?.mask, first?.mask);
    assert.ok(kept.weights[2]?.data.every((w, i) => (w !== 0) === (first?.mask[i] === 1)), 'what is stored was updated');
    // Only the second feature is stored: the infinite gradients are formed for rigl alone, which wants to see where to grow.
    const grow = { sparsity: 0.5, params: 'linear0.weight', init: behindRow, dropFraction: 0.5 } as const;
    const set = await run(shape, 3e38, { algorithm: 'set', ...grow }), rigl = await run(shape, 3e38, { algorithm: 'rigl', ...grow }, 3), finite = await run(shape, 1, { algorithm: 'rigl', ...grow }, 3);
    assert.deepEqual([set.record.masksKept, rigl.record.masksKept, finite.record.masksKept], [0, 3, 0]);
    assert.ok(rigl.weights.every(({ data }) => data.every(Number.isFinite)));
    assert.deepEqual(rigl.masks[0]?.mask, Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1));
    assert.ok(finite.masks[0]?.mask.subarray(0, 4).includes(1) && set.masks[0]?.mask.some((stored, at) => stored !== rigl.masks[0]?.mask[at]));
  }
});

/** Masks whose first row, or last column, is empty; the rest is as dense as asked for, by groups of four outputs. */
const densities = [0, 0.3, 0.6, 1].map((density) => ({ density, stores: (i: number, group: number): boolean => (i * 7 + group * 3) % 10 < 10 * density }));

test('an infinite activation that meets absent weights alone shows nowhere, in no form', async () => {
  const net = model({ name: 'three', input: features(10), layers: [linear(12, { bias: false }), linear(3)] }), samples = 100;
  // In the second slab of four, and in the last sample.
  const data = (odd: number) => ({ kind: 'features' as const, inputs: Float32Array.from({ length: samples * 10 }, (_, at) => (at % 10 === 0 ? (at === 400 || at === 990 ? odd : 0) : ((at * 37) % 19) / 19 - 0.5)), labels: Int32Array.from({ length: samples }, (_, i) => i % 3) });
  for (const shape of machines) {
    for (const pattern of ['unstructured', 'blocks'] as const) {
      for (const { stores } of densities) {
        const init: MaskInit = ({ shape: [inputs = 0, outputs = 0] }) => Uint8Array.from({ length: inputs * outputs }, (_, at) => (at >= outputs && stores(Math.floor(at / outputs), Math.floor((at % outputs) / 4)) ? 1 : 0));
        const run = (odd: number): Promise<RunResult> => trainOn(shape, net, { data: data(odd), optimizer: adamW(), steps: 2, batchSize: samples, seed: 5, sparsity: sparsity({ init, pattern, params: 'linear0.weight' }) });
        const usual = await run(0);
        for (const odd of [Infinity, -Infinity, NaN]) {
          const struck = await run(odd);
          assert.deepEqual(struck.record.losses, usual.record.losses);
          assertSameBits(struck.weights, usual.weights);
        }
      }
    }
  }
});

test('an infinite delta that meets absent weights alone shows nowhere, in no form', async () => {
  const net = model({ name: 'four', input: features(6), layers: [linear(10, { bias: false }), linear(8, { bias: false }), linear(4, { bias: false }), linear(3, { bias: false })] }), samples = 70;
  const data = { kind: 'features' as const, inputs: Float32Array.from({ length: samples * 6 }, (_, at) => ((at * 37) % 19) / 19 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 3) };
  // The last output of linear1 has no weights, so it is 0; its delta is 3e38 · 1e10 · dlogit.
  const weights = (large: number): NamedTensor[] => [
    tensor('linear0.weight', [6, 10], (i, o) => ((i * 5 + o * 3) % 7) / 7 - 0.4), tensor('linear1.weight', [10, 8], (i, o) => ((i * 3 + o * 5) % 11) / 11 - 0.4),
    tensor('linear2.weight', [8, 4], (i, o) => (i === 7 ? (o === 3 ? large : 0.1) : o === 3 ? 0 : ((i + o) % 5) / 5 - 0.3)), tensor('linear3.weight', [4, 3], (i, o) => (i === 3 ? 1e10 * (o - 1) : (i - o) / 4)),
  ];
  for (const shape of machines) {
    for (const { density, stores } of densities) {
      const init: MaskInit = ({ shape: [inputs = 0, outputs = 0] }) => Uint8Array.from({ length: inputs * outputs }, (_, at) => (at % outputs < outputs - 1 && stores(Math.floor(at / outputs), at % outputs) ? 1 : 0));
      const run = (large: number): Promise<RunResult> =>
        trainOn(shape, net, { data, optimizer: sgd({ learningRate: 1e-3 }), steps: 1, batchSize: samples, weights: weights(large), sparsity: sparsity({ init, params: 'linear1.weight' }), inspect: true });
      const usual = await run(0), struck = await run(3e38);
      assert.ok(struck.inspection?.deltas.find(({ name }) => name === 'linear1')?.data.some((d) => d === Infinity), 'the delta is infinite');
      assert.deepEqual(struck.record.losses, usual.record.losses);
      assertSameBits(struck.weights.slice(0, 2), usual.weights.slice(0, 2), `density ${density}: runs`);
      assert.ok(struck.weights[0]?.data.every(Number.isFinite));
    }
  }
});

test('masks and the zeros that they store go through a checkpoint; the run that goes on from it has the bits of one that goes on from memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'masks-'));
  try {
    const net = gpt({ vocabulary: 40, context: 12, dim: 16, layers: 1, heads: 2, tied: false }), data = { kind: 'sequence' as const, ids: Int32Array.from({ length: 600 }, (_, i) => (i * i * 7 + i) % 40) };
    const options = { data, optimizer: adamW({ learningRate: 1e-2 }), batchSize: 5, seed: 3 };
    for (const algorithm of ['rigl', 'set', 'gmp', 'static'] as const) {
      const of = sparsity({ algorithm, sparsity: 0.6, ...(algorithm === 'rigl' ? { pattern: 'blocks' as const } : {}), ...(algorithm === 'static' ? {} : { update: { freq: 2 } }) });
      const first = await trainOn({ dispatcher: 'local', numCsx: 2, threads: 1 }, net, { ...options, steps: 4, sparsity: of });
      const zeros = first.masks.reduce((sum, { name, mask }) => sum + mask.reduce((all, stored, i) => all + (stored === 1 && first.weights.find((w) => w.name === name)?.data[i] === 0 ? 1 : 0), 0), 0);
      assert.ok(algorithm === 'rigl' || algorithm === 'set' ? zeros > 50 : zeros === 0, `${algorithm}: ${zeros} zeros are stored`);
      const goOn = (numCsx: number, weights: readonly NamedTensor[], masks: readonly NamedMask[]): Promise<RunResult> => trainOn({ dispatcher: 'local', numCsx, threads: 1 }, net, { ...options, steps: 3, sparsity: of, weights, masks });
      const fromMemory = await goOn(1, first.weights, first.masks);
      for (const layout of ['dense', 'compact'] as const) {
        const path = join(folder, `${algorithm}-${layout}.safetensors`);
        await writeCheckpoint(net, first.weights, path, { masks: first.masks, layout });
        const read = await readCheckpoint(net, path);
        assertSameBits(read.weights, first.weights);
        sameMasks(read.masks, first.masks, layout);
        const fromFile = await goOn(5, read.weights, read.masks);
        assertSameBits(fromFile.weights, fromMemory.weights);
        sameMasks(fromFile.masks, fromMemory.masks, layout);
        assert.deepEqual(fromFile.record.losses, fromMemory.record.losses);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
