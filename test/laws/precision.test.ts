/**
 * Laws of narrow types: the same bits on any machine, every step within the reference's bounds, half the bytes on the way down; and of the loss scale: steps that overflow are
 * skipped and counted and change nothing, whatever machine, thread or fault.
 *
 * Not here: rounding itself (test/unit/kernels/round.test.ts), the options (test/unit/model/precision.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { adamW, byteLm, Cluster, firstMasks, gpt, mlp, NonFiniteLoss, precision, sgd, sparsity, type Model, type NumberType, type RunResult, type StepReport, type TrainingData, type TrainOptions } from '../../src/index.js';
import { firstState, judgeStep } from '../../src/emulator/against-reference.js';
import { aClusterShape, assertMatchesReference, assertSameBits, aTraining, roomyWafer, trainOn, type ClusterShape } from '../../src/testing/index.js';

const seed = 20_261_126;
const plainest: ClusterShape = { dispatcher: 'local', numCsx: 1, threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer }, kernels: 'simd128', recompute: 'none', logits: 'held' };

const same = (a: RunResult, b: RunResult): void => {
  assert.deepEqual(b.record.losses, a.record.losses);
  assertSameBits(a.weights, b.weights);
  assert.deepEqual(b.masks, a.masks);
  assert.deepEqual([b.record.skippedSteps, b.record.lossScale], [a.record.skippedSteps, a.record.lossScale]);
};

test('narrow runs have the same bits on any machine', async () => {
  const seen = { skipped: 0, byChance: 0, tile: 0, twin: 0, sparse: 0, streamed: 0, again: 0, clipped: 0, narrow: 0 };
  await fc.assert(
    fc.asyncProperty(aTraining({ precision: 'only' }), aClusterShape({ numCsxMax: 40 }), async ({ model, options }, shape) => {
      const result = await trainOn(shape, model, options);
      same(await trainOn(plainest, model, options), result);
      if (result.record.skippedSteps > 0) seen.skipped++;
      if (options.precision?.stochasticRounding === true) seen.byChance++;
      if (options.precision?.activations !== 'float32') seen.narrow++;
      if (options.clipNorm !== undefined) seen.clipped++;
      if (result.masks.length > 0) seen.sparse++;
      if (shape.sweep === 'tile') seen.tile++;
      if (shape.kernels === 'twin') seen.twin++;
      if (model.tokensPerSample > 1 && (shape.recompute === 'block' || shape.recompute === 'offload')) seen.again++;
      if (shape.logits === 'streamed' && shape.sweep === 'band') seen.streamed++;
    }),
    { seed, numRuns: 70 },
  );
  assert.ok(Object.values(seen).every((count) => count > 3), `the runs were too much alike: ${JSON.stringify(seen)}`);
});

test('on threads, too', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ precision: 'only', batchMax: 120 }), aClusterShape({ dispatcher: 'thread', numCsxMax: 8, threadsMax: 3 }), async ({ model, options }, shape) => {
      same(await trainOn(plainest, model, options), await trainOn(shape, model, options));
    }),
    { seed, numRuns: 8 },
  );
});

test('narrow runs match the reference at every step', async () => {
  let worst = 0, skipped = 0, judged = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ precision: 'only', stepsMax: 3, batchMax: 80, contextMax: 50, depthMax: 2 }), aClusterShape({ numCsxMax: 6 }), async ({ model, options }, shape) => {
      for (const { verdicts } of await assertMatchesReference(model, options, shape)) {
        if (verdicts.some(({ name }) => name.endsWith('behind the step that was skipped'))) skipped++;
        judged += verdicts.reduce((sum, verdict) => sum + verdict.elements, 0);
        worst = Math.max(worst, ...verdicts.map((verdict) => verdict.ratio));
      }
    }),
    { seed, numRuns: 45 },
  );
  assert.ok(judged > 50_000 && worst > 0.1 && skipped > 2, `${judged} values, the nearest at ${worst} of its bound, ${skipped} steps skipped`);
});

const samples = 70;
const features: TrainingData = { kind: 'features', inputs: Float32Array.from({ length: samples * 9 }, (_, i) => ((i * 37) % 19) / 19 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 4) };
const net = mlp([9, 30, 30, 4], { activation: 'gelu' });
const training: TrainOptions = { data: features, optimizer: adamW(), steps: 1, batchSize: samples };
const local: ClusterShape = { dispatcher: 'local', numCsx: 2, threads: 2, wafer: { rows: 2, cols: 2, spec: roomyWafer } };

test('a cluster that rounds otherwise is found out', async () => {
  const judgeAs = async (options: TrainOptions, claimed: TrainOptions): Promise<number> => {
    const run = await trainOn(local, net, { ...options, inspect: true });
    return judgeStep(net, claimed, 0, firstState(net, claimed), run).verdicts.filter((verdict) => !verdict.ok).length;
  };
  const types: readonly NumberType[] = ['bfloat16', 'float16', 'cbfloat16'];
  for (const weights of types) {
    const of = (more: object): TrainOptions => ({ ...training, precision: precision({ weights, lossScale: 'none', ...more }) });
    for (const [own, claimed] of [
      [of({}), training], [training, of({})],
      [of({ activations: weights }), of({})], [of({}), of({ activations: weights })],
      [of({ stochasticRounding: true }), of({})], [of({ stochasticRounding: true }), { ...of({ stochasticRounding: true }), seed: 1, weights: (await trainOn(local, net, { ...training, steps: 1 })).weights }],
      [of({ activations: weights }), { ...training, precision: precision({ weights: weights === 'float16' ? 'cbfloat16' : 'float16', activations: weights === 'float16' ? 'cbfloat16' : 'float16', lossScale: 'none' }) }],
    ] as const) assert.ok((await judgeAs(own, claimed)) > 0, `${weights}: ${JSON.stringify(own.precision)} passed for ${JSON.stringify(claimed.precision)}`);
    assert.equal(await judgeAs(of({ activations: weights }), of({ activations: weights })), 0);
  }
});

const stepsOf = async (shape: ClusterShape, model: Model, options: TrainOptions): Promise<{ readonly result: RunResult; readonly reports: readonly StepReport[] }> => {
  await using cluster = await Cluster.start(shape as object);
  const run = cluster.train(model, options), reports: StepReport[] = [];
  for await (const report of run) reports.push(report);
  return { result: await run.finished, reports };
};
/** A loss scale far beyond float16: the first steps overflow. */
const tooHigh = precision({ weights: 'float16', activations: 'float16', lossScale: { initial: 2 ** 28, max: 2 ** 28 } });

test('steps that overflow are skipped and counted, change nothing, and halve the scale', async () => {
  const options: TrainOptions = { ...training, steps: 14, precision: tooHigh, clipNorm: 0.5 };
  const { result, reports } = await stepsOf(local, net, options);
  const skipped = reports.filter(({ skipped: isSkipped }) => isSkipped === true).length;
  assert.ok(skipped >= 3 && skipped <= 10, `${skipped} steps`);
  assert.equal(result.record.skippedSteps, skipped);
  // All of them come first: the scale only falls.
  reports.forEach(({ lossScale, skipped: isSkipped, gradientNorm }, step) => {
    assert.equal(isSkipped, step < skipped);
    assert.equal(lossScale, 2 ** (28 - Math.min(step, skipped)));
    assert.equal(Number.isFinite(gradientNorm), step >= skipped);
  });
  assert.equal(result.record.lossScale, 2 ** (28 - skipped));
  assert.equal(result.record.counts.total.optimizerElements, (options.steps - skipped) * net.parameterCount);
  const before = firstState(net, options).weights;
  (await trainOn(local, net, { ...options, steps: skipped })).weights.forEach(({ data }, i) => assert.deepEqual(data, before[i]));
});

test('the first update is the first, whenever it comes', async () => {
  // Equal samples: the order of a step's batch shows in no bit.
  const data: TrainingData = { kind: 'features', inputs: Float32Array.from({ length: samples * 9 }, (_, i) => ((i % 9) - 4) / 7), labels: new Int32Array(samples) };
  for (const optimizer of [adamW(), sgd({ learningRate: 0.1, momentum: 0.9, dampening: 0.5 })]) {
    const options: TrainOptions = { ...training, data, optimizer, clipNorm: 0.5, precision: tooHigh };
    const skipped = (await trainOn(local, net, { ...options, steps: 10 })).record.skippedSteps;
    const late = await trainOn(local, net, { ...options, steps: skipped + 1 });
    const early = await trainOn(local, net, { ...options, steps: 1, precision: precision({ weights: 'float16', activations: 'float16', lossScale: 2 ** (28 - skipped) }) });
    assert.ok(skipped > 2 && early.record.skippedSteps === 0);
    assert.equal(late.record.losses.at(-1), early.record.losses[0]);
    assertSameBits(late.weights, early.weights);
  }
});

test('skipped steps are the same on any machine, and after threads died', async () => {
  const models: readonly (readonly [Model, TrainingData])[] = [[net, features], [byteLm({ context: 3, embed: 5, hidden: 20, layers: 1 }), { kind: 'text', bytes: Uint8Array.from({ length: 120 }, (_, i) => (i * 7) % 251) }], [gpt({ layers: 1, heads: 2, dim: 8, context: 34, vocabulary: 11 }), { kind: 'sequence', ids: Uint8Array.from({ length: 400 }, (_, i) => (i * i) % 11) }]];
  let skipped = 0, faults = 0;
  for (const [model, data] of models) {
    const options: TrainOptions = { data, optimizer: sgd({ learningRate: 0.1, momentum: 0.9, dampening: 0.5 }), steps: 9, batchSize: model.tokensPerSample > 1 ? 6 : 66, precision: tooHigh };
    const calm = await trainOn(plainest, model, options);
    skipped += calm.record.skippedSteps;
    for (const shape of [{ numCsx: 3, threads: 3 }, { numCsx: 2, threads: 2, sweep: 'tile' }, { dispatcher: 'thread', threads: 2, numCsx: 2 }] as const) same(calm, await trainOn({ ...local, ...shape }, model, options));
    for (let turn = 5; turn < 160; turn += 9) {
      const struck = await trainOn({ ...local, faults: [{ thread: turn % 2, turn, at: (['start', 'reply', 'end'] as const)[turn % 3] ?? 'end' }] }, model, options);
      same(calm, struck);
      faults += struck.record.faults;
    }
  }
  assert.ok(skipped > 12 && faults > 25, `${skipped} steps skipped, ${faults} deaths`);
});

test('a scale grows behind enough clean steps, never beyond its maximum', async () => {
  const { reports } = await stepsOf(local, net, { ...training, steps: 8, precision: precision({ weights: 'bfloat16', lossScale: { initial: 2, max: 8, growthInterval: 2 } }) });
  assert.deepEqual(reports.map(({ lossScale }) => lossScale), [2, 2, 4, 4, 8, 8, 8, 8]);
});

test('a power of two takes nothing from a gradient: any scale gives the same weights where nothing leaves the range', async () => {
  const of = (lossScale: number): Promise<RunResult> => trainOn(local, net, { ...training, steps: 3, clipNorm: 0.05, precision: precision({ weights: 'bfloat16', activations: 'bfloat16', lossScale }) });
  const plain = await of(1);
  for (const scale of [2 ** 15, 2 ** -8]) assertSameBits((await of(scale)).weights, plain.weights);
});

test('a gradient that overflows at the smallest scale ends the run, and a fixed scale skips', async () => {
  const hopeless = { ...training, steps: 9, precision: precision({ weights: 'float16', activations: 'float16', lossScale: { initial: 2 ** 24, max: 2 ** 24, min: 2 ** 23 } }) };
  await assert.rejects(trainOn(local, net, hopeless), (error) => error instanceof NonFiniteLoss && /the gradient of step 1 at the smallest loss scale.*8388608/.test(error.message));
  const { record, weights } = await trainOn(local, net, { ...hopeless, steps: 3, precision: precision({ weights: 'float16', activations: 'float16', lossScale: 2 ** 24 }) });
  assert.deepEqual([record.skippedSteps, record.lossScale], [3, 2 ** 24]);
  weights.forEach(({ data }, i) => assert.deepEqual(data, firstState(net, hopeless).weights[i]));
});

test('masks stay behind a skipped step', async () => {
  const masks = sparsity({ algorithm: 'rigl', sparsity: 0.5, params: 'linear1.weight' });
  const options: TrainOptions = { ...training, seed: 3, sparsity: masks, precision: tooHigh };
  const first = firstMasks(net, undefined, masks, 3);
  const { reports } = await stepsOf(local, net, { ...options, steps: 12 }), skipped = reports.filter((report) => report.skipped).length;
  assert.ok(skipped > 1);
  const kept = await trainOn(local, net, { ...options, steps: skipped });
  assert.deepEqual(kept.masks.map(({ mask }) => mask), first.map(({ mask }) => mask));
  assert.equal(kept.record.masksKept, skipped);
  assert.notDeepEqual((await trainOn(local, net, { ...options, steps: skipped + 1 })).masks.map(({ mask }) => mask), first.map(({ mask }) => mask));
});

test('weights of two bytes halve what goes down; gradients go up as they did', async () => {
  const down = async (model: Model, data: TrainingData, more: Partial<TrainOptions> = {}) => {
    const options: TrainOptions = { data, optimizer: adamW(), steps: 2, batchSize: model.tokensPerSample > 1 ? 4 : 64, ...more };
    const of = async (p: NumberType) => (await trainOn({ ...local, wafer: { rows: 1, cols: 3, spec: roomyWafer } }, model, { ...options, precision: precision({ weights: p, activations: p }) })).record.counts.total;
    return [await of('float32'), await of('cbfloat16')] as const;
  };
  const dense = gpt({ layers: 1, heads: 2, dim: 8, context: 34, vocabulary: 12 });
  const [wide, narrow] = await down(dense, { kind: 'sequence', ids: Uint8Array.from({ length: 400 }, (_, i) => (i * i) % 11) });
  for (const action of ['weightBytesOut', 'linkDownBytes', 'waveletsSouth'] as const) if (action !== 'waveletsSouth') assert.equal(narrow[action] * 2, wide[action], action);
  // Keys and values of attention travel beside the weights.
  assert.ok(narrow.waveletsSouth < wide.waveletsSouth);
  for (const action of ['gradientBytesIn', 'linkUpBytes', 'ioOutBytes', 'macs', 'waveletsEast', 'waveletsNorth'] as const) assert.equal(narrow[action], wide[action], action);
  // Packets of value and index: 4 bytes in place of 6; indices before a gradient as they were. Samples: two bytes a feature.
  const masked = mlp([9, 32, 4]), sparse = sparsity({ sparsity: 0.5, params: 'linear0.weight' });
  const [fat, thin] = await down(masked, features, { sparsity: sparse }), stored = Math.round(9 * 32 * 0.5);
  const biases = 32 + 4, others = 32 * 4 * 2;
  assert.equal(fat.weightBytesOut, 2 * (stored * (6 + 2) + (biases + others) * 4));
  assert.equal(thin.weightBytesOut, 2 * (stored * (4 + 2) + (biases + others) * 2));
  assert.equal(fat.ioInBytes - fat.linkDownBytes, 2 * 64 * (4 + 9 * 4));
  assert.equal(thin.ioInBytes - thin.linkDownBytes, 2 * 64 * (4 + 9 * 2));
});
