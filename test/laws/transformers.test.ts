/**
 * Laws of transformers on the machine: what stands behind a token cannot be seen from it, masked tokens at the end of a sample add nothing, evaluations change nothing,
 * training ends early when it should, and a clipped gradient has the norm that was asked for.
 *
 * Same bits on any machine, counts, faults and bounds are laws of their own files: they draw transformers, too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Cluster, type Model, type NamedTensor, type RunResult, type TrainingData } from '../../src/index.js';
import { firstState } from '../../src/emulator/against-reference.js';
import { inputOf } from '../../src/model/graph.js';
import { sgd } from '../../src/model/optimizer.js';
import { purposes, randomWord } from '../../src/util/prng.js';
import { aClusterShape, assertSameBits, aTraining, aTransformer, optionsOn, roomyWafer, trainOn, type ClusterShape } from '../../src/testing/index.js';

const seed = 20_261_123;
const local: ClusterShape = { dispatcher: 'local', threads: 1, wafer: { rows: 2, cols: 3, spec: roomyWafer } };

const vocabularyOf = (model: Model): number => {
  const input = inputOf(model);
  return input.kind === 'tokens' ? input.vocabulary : 0;
};
const draw = (of: number, i: number, what: number, below: number): number => randomWord(of, purposes.testData, i, what) % below;
const nothing: TrainingData = { kind: 'sequence', ids: new Int32Array(0) };
const firstWeights = (model: Model, of: number): NamedTensor[] => {
  const { weights } = firstState(model, { data: nothing, optimizer: sgd({ learningRate: 0.1 }), steps: 1, batchSize: 1, seed: of });
  return model.parameters.map(({ name, shape, index }) => ({ name, shape, data: weights[index] ?? new Float32Array(0) }));
};
/** One step whose batch is one sample; what it looks like from inside. */
const lookAt = async (model: Model, data: TrainingData, shape: ClusterShape, of: number, weights?: readonly NamedTensor[]): Promise<RunResult> =>
  trainOn(shape, model, { data, optimizer: sgd({ learningRate: 0.1 }), steps: 1, batchSize: 1, seed: of, inspect: true, logits: 'held', ...(weights === undefined ? {} : { weights }) });

test('changing later tokens changes no activation, logit or loss before them; changing earlier ones does', async () => {
  let later = 0;
  await fc.assert(
    fc.asyncProperty(aTransformer({ bytes: false }), fc.nat(), fc.nat(), fc.constantFrom('none' as const, 'attention' as const, 'block' as const, 'offload' as const), async (model, of, pick, recompute) => {
      const tokens = model.tokensPerSample, vocabulary = vocabularyOf(model), cut = 1 + (pick % (tokens - 1));
      const ids = Int32Array.from({ length: tokens }, (_, i) => draw(of, i, 0, vocabulary));
      const other = ids.map((id, i) => (i < cut ? id : (id + 1) % vocabulary));
      // Only tokens before the cut are labelled, so that the loss is theirs.
      const labels = Int32Array.from({ length: tokens }, (_, i) => (i < cut ? draw(of, i, 1, vocabulary) : -1));
      const [a, b] = [await lookAt(model, { kind: 'sequence', ids, labels }, { ...local, recompute }, of), await lookAt(model, { kind: 'sequence', ids: other, labels }, { ...local, recompute }, of)];
      assert.deepEqual(a.record.losses, b.record.losses);
      const before = ({ name, shape, data }: NamedTensor): NamedTensor => ({ name, shape: [cut, shape[1] ?? 0], data: data.slice(0, cut * (shape[1] ?? 0)) });
      assertSameBits((a.inspection?.activations ?? []).map(before), (b.inspection?.activations ?? []).map(before), 'what lies before the change');
      if (JSON.stringify([...(a.inspection?.activations[0]?.data ?? [])]) !== JSON.stringify([...(b.inspection?.activations[0]?.data ?? [])])) later++;
    }),
    { seed, numRuns: 40 },
  );
  assert.ok(later > 30, `the change showed behind the cut in ${later} runs`);
});

test('a sample padded by masked tokens to a longer sequence gives the same loss and gradients, to the bit', async () => {
  await fc.assert(
    // Dropout is keyed by the token's number in the batch: with one sample that does not change either.
    fc.asyncProperty(aTransformer({ bytes: false, contextMax: 90 }), fc.nat(), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 2 }), async (short, of, more, threads) => {
      const tokens = short.tokensPerSample, longer = tokens + more, vocabulary = vocabularyOf(short);
      const positions = short.parameters.find(({ name }) => name.endsWith('.positions.weight'));
      // The same graph over a longer context: only the learned positions have more rows.
      const long: Model = {
        ...short, tokensPerSample: longer,
        parameters: short.parameters.map((spec) => (spec === positions ? { ...spec, shape: [longer, spec.shape[1] ?? 0], size: longer * (spec.shape[1] ?? 0) } : spec)),
        parameterCount: short.parameterCount + (positions === undefined ? 0 : more * (positions.shape[1] ?? 0)),
      };
      const weights = firstWeights(short, of);
      const padded = firstWeights(long, of).map((tensor, i) => {
        tensor.data.set(weights[i]?.data ?? []);
        return tensor;
      });
      const ids = Int32Array.from({ length: longer }, (_, i) => draw(of, i, 0, vocabulary)), labels = Int32Array.from({ length: longer }, (_, i) => (i < tokens ? draw(of, i, 1, vocabulary) : -1));
      const shape = { ...local, threads };
      const a = await lookAt(short, { kind: 'sequence', ids: ids.slice(0, tokens), labels: labels.slice(0, tokens) }, shape, of, weights);
      const b = await lookAt(long, { kind: 'sequence', ids, labels }, shape, of, padded);
      assert.deepEqual(b.record.losses, a.record.losses);
      const shared = (run: RunResult): NamedTensor[] => (run.inspection?.gradients ?? []).map(({ name, shape: own, data }, i) => ({ name, shape: short.parameters[i]?.shape ?? own, data: canonical(data.slice(0, short.parameters[i]?.size)) }));
      assertSameBits(shared(a), shared(b), 'gradients without and with padding');
    }),
    { seed, numRuns: 40 },
  );
});

/** A slab of masked tokens adds +0, which turns a −0 into +0 and nothing else. */
const canonical = (values: Float32Array): Float32Array => values.map((value) => value + 0);

test('evaluations, however many, change neither weights nor losses nor the counts of training', async () => {
  let evaluations = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 4, batchMax: 90 }), aClusterShape({ numCsxMax: 6, threadsMax: 2 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), async ({ model, options }, shape, every, batches) => {
      const calm = await trainOn(shape, model, options), judged = await trainOn(shape, model, { ...options, evaluation: { data: options.data, every, batches } });
      assertSameBits(calm.weights, judged.weights);
      assert.deepEqual(judged.record.losses, calm.record.losses);
      assert.deepEqual(judged.record.counts, calm.record.counts);
      const due = Array.from({ length: options.steps }, (_, step) => step + 1).filter((step) => step % every === 0 || step === options.steps);
      assert.deepEqual(judged.record.evaluations.map(({ step, batches: count }) => [step, count]), due.map((step) => [step, batches]));
      // A perplexity is said in f32.
      for (const { loss, perplexity } of judged.record.evaluations) assert.ok(Math.abs(perplexity / Math.exp(loss) - 1) < 4e-6, `${perplexity} for ${loss}`);
      for (const { out, back } of Object.values(judged.record.credits)) assert.equal(out, back);
      evaluations += due.length;
    }),
    { seed, numRuns: 25 },
  );
  assert.ok(evaluations > 25, `${evaluations}`);
});

test('an evaluation gives the loss that a step over the same batch begins with, without dropout', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 90, dropout: false, transformers: 'only' }), aClusterShape({ numCsxMax: 4, threadsMax: 2 }), async ({ model, options: drawn }, shape) => {
      // Rounding by chance is drawn anew in every step.
      const options = drawn.precision === undefined ? drawn : { ...drawn, precision: { ...drawn.precision, stochasticRounding: false } };
      // The first batch of evaluation data is drawn as the first batch of training data is.
      const judged = await trainOn(shape, model, { ...options, evaluation: { data: options.data, every: 1, batches: 1 } });
      const next = await trainOn(local, model, { ...options, weights: judged.weights, masks: judged.masks });
      assert.equal(judged.record.evaluations[0]?.loss, next.record.losses[0]);
    }),
    { seed, numRuns: 15 },
  );
});

test('training ends after as many evaluations without a new lowest loss as there is patience for', async () => {
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 60, transformers: 'only', contextMax: 20 }), aClusterShape({ numCsxMax: 3, threadsMax: 2 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 }), async ({ model, options }, shape, every, patience) => {
      const { record, weights } = await trainOn(shape, model, { ...options, steps: 12, evaluation: { data: options.data, every, batches: 1, patience } });
      const losses = record.evaluations.map(({ loss }) => loss);
      let best = 0, ends: number | null = null;
      losses.forEach((loss, i) => {
        if (loss < (losses[best] as number)) best = i;
        if (ends === null && i - best >= patience) ends = i;
      });
      assert.equal(record.steps, ends === null ? 12 : (record.evaluations[ends]?.step ?? -1));
      assert.equal(losses.length, ends === null ? Math.ceil(12 / every) : ends + 1);
      assert.equal(record.losses.length, record.steps);
      assertSameBits(weights, (await trainOn(local, model, { ...options, steps: record.steps })).weights, 'a run that ended early and one that was as long');
    }),
    { seed, numRuns: 12 },
  );
});

test('a gradient above the largest norm is scaled down to it, one below is left alone', async () => {
  let clipped = 0, left = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ stepsMax: 1, batchMax: 90, sparsity: false }), aClusterShape({ numCsxMax: 4, threadsMax: 3 }), fc.oneof(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.double({ min: 1, max: 4, noNaN: true })), async ({ model, options: { data, steps, batchSize, seed: own } }, shape, factor) => {
      // Plain gradient descent at rate 1: the step is the gradient, where no mask changes behind it.
      const options = { data, steps, batchSize, seed: own };
      const optimizer = sgd({ learningRate: 1 }), weights = firstWeights(model, options.seed);
      const { cluster, training } = optionsOn(shape, model, { ...options, optimizer, weights, inspect: true });
      await using started = await Cluster.start(cluster);
      const free = await started.train(model, training).finished;
      const gradients = free.inspection?.gradients ?? [];
      const norm = Math.sqrt(gradients.reduce((all, { data }) => data.reduce((sum, g) => sum + g * g, all), 0));
      fc.pre(norm > 1e-6 && Number.isFinite(norm));
      const clipNorm = norm * factor, run = started.train(model, { ...training, clipNorm });
      let reported = NaN;
      run.steps$.subscribe(({ gradientNorm }) => (reported = gradientNorm ?? NaN));
      const bound = await run.finished;
      // The sum of squares errs by less than a rounding for each of at most 1,024 + 2·30 additions on a path, the root by half of that.
      assert.ok(Math.abs(reported - norm) <= norm * 1100 * 2 ** -24, `${reported} for ${norm}`);
      const scale = Math.min(1, clipNorm / (norm + 1e-6));
      if (factor > 1.001) {
        assertSameBits(free.weights, bound.weights);
        left++;
        return;
      }
      if (factor > 0.999) return;
      clipped++;
      for (const [i, { data }] of bound.weights.entries()) {
        const before = weights[i]?.data ?? data, gradient = gradients[i]?.data ?? data;
        for (let at = 0; at < data.length; at++) {
          const wanted = (before[at] as number) - scale * (gradient[at] as number);
          // The factor errs as the norm does; then a product and a sum are rounded.
          const allowed = scale * Math.abs(gradient[at] as number) * 1104 * 2 ** -24 + Math.abs(wanted) * 2 ** -24 + 2 ** -148;
          assert.ok(Math.abs((data[at] as number) - wanted) <= allowed, `${i}[${at}]: ${data[at]}, ${wanted} ± ${allowed}`);
        }
      }
    }),
    { seed, numRuns: 30 },
  );
  assert.ok(clipped > 5 && left > 5, `${clipped} clipped, ${left} left alone`);
});
