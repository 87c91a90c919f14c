/**
 * Law: a loss that is formed block by block of classes, without its logits, gives the same bits and losses as one over logits that are held, on any machine; and it
 * counts exactly two forward products of its layer more, and streams the layer's weights three times.
 *
 * Vocabularies reach over several blocks of 256 here; elsewhere they are small. Not here: the reference, which judges the held form (against-reference.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { adamW, embedding, layerNorm, linear, model, residual, sequence, type Model, type TrainingData } from '../../src/index.js';
import { aClusterShape, assertSameBits, roomyWafer, trainOn, type ClusterShape } from '../../src/testing/index.js';
import { purposes, randomWord } from '../../src/util/prng.js';

const seed = 20_261_124;
const plainest: ClusterShape = { dispatcher: 'local', numCsx: 1, threads: 1, wafer: { rows: 1, cols: 1, spec: roomyWafer }, logits: 'held' };

/** Odd widths and class counts, around the edges of blocks; the head behind a norm, a sum or the embedding itself. */
const aHeaded = (): fc.Arbitrary<Model> =>
  fc
    .record({
      classes: fc.constantFrom(255, 256, 257, 513, 700), dim: fc.constantFrom(5, 16, 20, 261), context: fc.integer({ min: 2, max: 45 }),
      kind: fc.constantFrom('tied', 'bias', 'bare'), before: fc.constantFrom('norm', 'residual', 'nothing'),
    })
    .map(({ classes, dim, context, kind, before }) =>
      model({
        name: `head ${kind} ${classes}`, input: sequence({ vocabulary: classes, context }),
        layers: [
          embedding({ dim, init: { kind: 'normal', std: 0.3 } }),
          ...(before === 'norm' ? [layerNorm()] : before === 'residual' ? [residual([linear(dim)])] : []),
          kind === 'tied' ? linear(classes, { tied: true }) : linear(classes, { bias: kind === 'bias' }),
        ],
      }),
    );

const dataFor = ({ tokensPerSample, layers }: Model, of: number): TrainingData => {
  const classes = layers[layers.length - 1]?.features ?? 1, length = tokensPerSample * 7;
  const draw = (i: number, what: number): number => randomWord(of, purposes.testData, i, what);
  return { kind: 'sequence', ids: Int32Array.from({ length }, (_, i) => draw(i, 0) % classes), labels: Int32Array.from({ length }, (_, i) => (draw(i, 1) % 9 === 0 ? -1 : draw(i, 2) % classes)) };
};

test('the loss without its logits gives the bits of the loss with them, and its counts', async () => {
  let shared = 0;
  await fc.assert(
    fc.asyncProperty(aHeaded(), aClusterShape({ numCsxMax: 5, threadsMax: 3 }), fc.nat(), fc.integer({ min: 1, max: 5 }), async (headed, drawn, of, batchSize) => {
      const data = dataFor(headed, of);
      const options = { data, optimizer: adamW({ learningRate: 1e-2 }), steps: 2, batchSize, seed: of, evaluation: { data, every: 2, batches: 1 } };
      const shape: ClusterShape = { ...drawn, sweep: 'band', logits: 'streamed' };
      const held = await trainOn({ ...shape, logits: 'held' }, headed, options), streamed = await trainOn(shape, headed, options), plain = await trainOn(plainest, headed, options);
      for (const result of [held, streamed]) {
        assertSameBits(plain.weights, result.weights);
        assert.deepEqual(result.record.losses, plain.record.losses);
        assert.deepEqual(result.record.evaluations, plain.record.evaluations);
      }
      const head = headed.layers[headed.layers.length - 2];
      assert.ok(head?.kind === 'linear');
      const { inFeatures, features } = head, tokens = options.steps * batchSize * headed.tokensPerSample, microBatches = streamed.record.shape.microBatches;
      const [without, withThem] = [streamed.record.counts.total, held.record.counts.total];
      assert.equal(without.macs - withThem.macs, 2 * inFeatures * features * tokens);
      // Held: forward with its bias, and delta. Streamed: forward three times with its bias, and delta.
      assert.equal(without.weightBytesOut - withThem.weightBytesOut, 4 * options.steps * microBatches * 2 * features * (inFeatures + (head.bias === null ? 0 : 1)));
      assert.equal(without.gradientBytesIn, withThem.gradientBytesIn);
      assert.equal(without.optimizerElements, withThem.optimizerElements);
      if (streamed.record.shape.threads > 1) shared++;
    }),
    { seed, numRuns: 30 },
  );
  assert.ok(shared > 5, `${shared} runs on several threads`);
});

test('on real threads no block of the head waits for ever', { timeout: 120_000 }, async () => {
  const headed = model({ input: sequence({ vocabulary: 1500, context: 40 }), layers: [embedding({ dim: 20 }), layerNorm(), linear(60), layerNorm(), linear(1500)] });
  const options = { data: dataFor(headed, 3), optimizer: adamW(), steps: 3, batchSize: 5, seed: 3 };
  const plain = await trainOn(plainest, headed, options);
  for (const [numCsx, threads] of [[1, 2], [3, 1], [3, 3]] as const) assertSameBits(plain.weights, (await trainOn({ numCsx, threads, logits: 'streamed' }, headed, options)).weights);
});
