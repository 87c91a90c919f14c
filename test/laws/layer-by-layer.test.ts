/**
 * Law: every layer by itself. What a layer makes of the machine's own bits lies within its own running error bound, however deep the model is; and over PyTorch's
 * golden batch every activation, delta and gradient of a GPT-2 and a Llama stack is what PyTorch has.
 *
 * Not here: whole steps and losses over many steps (against-reference.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NamedTensor, type RunResult } from '../../src/index.js';
import { describeVerdict, worstWithin } from '../../src/reference/compare.js';
import { fullPrecision } from '../../src/model/precision.js';
import { narrowWeights } from '../../src/reference/narrow.js';
import { referenceStep } from '../../src/reference/step.js';
import { gatherBatch } from '../../src/reference/train.js';
import { boundedOf, firstState } from '../../src/emulator/against-reference.js';
import { aTraining, roomyWafer, trainOn, type Training } from '../../src/testing/index.js';
import { sampleAt } from '../../src/model/data.js';
import { loadTransformer } from '../support/golden-transformers.js';

const seed = 20_261_123;

const inspected = async ({ model, options }: Training, threads: number): Promise<RunResult> =>
  trainOn({ dispatcher: 'local', numCsx: 1, threads, wafer: { rows: 3, cols: 5, spec: roomyWafer } }, model, { ...options, steps: 1, inspect: true, logits: 'held' });

const byLayer = (training: Training, tensors: readonly NamedTensor[]): Map<number, Float32Array> =>
  new Map(tensors.map((tensor) => [training.model.layers.findIndex((layer) => layer.name === tensor.name), tensor.data]));

test('what every layer makes of the machine\'s own bits is within its bound of f64', async () => {
  let layers = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 6, precision: { overflows: false } }), fc.integer({ min: 1, max: 3 }), async (training, threads) => {
      const { model, options } = training;
      const run = await inspected(training, threads);
      const inspection = run.inspection;
      assert.ok(inspection !== undefined);
      const activations = byLayer(training, inspection.activations), deltas = byLayer(training, inspection.deltas);
      const { precision = fullPrecision } = options, { weights, masks, scaling } = firstState(model, options);
      const batch = { ...gatherBatch(model, options.data, options.batchSize, 0, options.seed), activations: precision.activations, lossScale: scaling?.scale ?? 1 };
      const oracle = referenceStep(model, narrowWeights(model, weights, precision, options.seed, 0), batch, { activations, deltas });
      const verdicts = [
        ...inspection.activations.map(({ name, data }, i) => worstWithin(`activation of ${name}`, data, oracle.activations[[...activations.keys()][i] ?? -1] ?? { value: new Float64Array(0), bound: new Float64Array(0) })),
        ...inspection.deltas.map(({ name, data }, i) => worstWithin(`delta of ${name}`, data, oracle.deltas[[...deltas.keys()][i] ?? -1] ?? { value: new Float64Array(0), bound: new Float64Array(0) })),
        ...inspection.gradients.map(({ name, data }, i) => worstWithin(`gradient of ${name}`, data, boundedOf(oracle.gradients[i] ?? { value: new Float64Array(0), bound: new Float64Array(0) }, masks[i] ?? null))),
      ];
      layers += inspection.activations.length;
      for (const verdict of verdicts) assert.ok(verdict.ok, describeVerdict(verdict));
    }),
    { seed, numRuns: 40 },
  );
  assert.ok(layers > 200, `${layers} layers were judged`);
});

/** Largest difference as a share of the tensor's largest value. */
const share = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let difference = 0, size = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs((a[i] as number) - (b[i] as number)));
    size = Math.max(size, Math.abs(b[i] as number));
  }
  return size === 0 ? difference : difference / size;
};

/** fp32 through two blocks: PyTorch's own float32 run keeps about 1e-6 from its float64 run. */
const goldenShareMax = 2e-5;

for (const family of ['gpt2', 'llama'] as const) {
  test(`${family}: every activation, delta and gradient is PyTorch's`, async () => {
    const golden = await loadTransformer(family);
    const { model, batch } = golden;
    const width = model.tokensPerSample;
    // The batch as a stream with labels of its own; one batch, so its order does not matter to gradients but to tokens.
    const data = { kind: 'sequence' as const, ids: batch.inputs, labels: batch.labels };
    const training: Training = { model, options: { data, optimizer: golden.runs[0]?.optimizer as Training['options']['optimizer'], steps: 1, batchSize: golden.samplesPerBatch, seed: inOrder(golden.samplesPerBatch) } };
    const run = await trainOn({ numCsx: 1, threads: 1, dispatcher: 'local' }, model, { ...training.options, weights: golden.parameters, inspect: true, logits: 'held' });
    assert.ok(run.inspection !== undefined);
    assert.ok(Math.abs((run.record.losses[0] ?? NaN) - golden.loss) < 1e-5 * golden.loss);
    const names = { activations: new Set(golden.names('activations')), deltas: new Set(golden.names('deltas')), gradients: new Set(golden.names('gradients')) };
    let compared = 0;
    for (const kind of ['activations', 'deltas', 'gradients'] as const) {
      for (const { name, data: values } of run.inspection[kind]) {
        if (!names[kind].has(name)) continue;
        compared++;
        const distance = share(values, golden.value(kind, name));
        assert.ok(distance <= goldenShareMax, `${kind} of ${name}: ${distance} of the largest value`);
      }
    }
    const all = Object.values(names).reduce((sum, list) => sum + list.size, 0);
    assert.ok(compared >= all - 2, `${compared} of ${all} golden tensors were compared`);
    assert.ok(width > 32, 'samples span more than one slab');
  });
}

/** A seed under which the first batch takes its samples in their own order. */
function inOrder(samples: number): number {
  for (let candidate = 0; ; candidate++) if (Array.from({ length: samples }, (_, i) => sampleAt(samples, samples, 0, i, candidate)).every((sample, i) => sample === i)) return candidate;
}
