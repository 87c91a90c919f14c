/** Data, its checks and the order of samples; optimizers and schedules as plain data. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkData, sampleAt, samplesOf, type TrainingData } from '../../../src/model/data.js';
import { momentNames, momentSizes } from '../../../src/model/moments.js';
import { adafactor, adam, adamW, lamb, learningRateOf, lion, rmsProp, sgd, type Optimizer } from '../../../src/model/optimizer.js';
import { byteLm, mlp } from '../../../src/model/presets/small.js';
import { constant, cosine, linearWarmup, valueAt, checkSchedule } from '../../../src/model/schedule.js';
import { aModel, someData } from '../../../src/testing/index.js';
import { InvalidConfig } from '../../../src/util/errors.js';

test('every epoch visits every sample once, in an order of its own', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 40 }), fc.nat(), (samples, batch, seed) => {
      const drawn = Array.from({ length: samples * 3 }, (_, i) => sampleAt(samples, batch, Math.floor(i / batch), i % batch, seed));
      for (let epoch = 0; epoch < 3; epoch++) assert.equal(new Set(drawn.slice(epoch * samples, (epoch + 1) * samples)).size, samples);
    }),
    { seed: 1, numRuns: 100 },
  );
  const epoch = (e: number): string => Array.from({ length: 30 }, (_, i) => sampleAt(30, 30, e, i, 1)).join();
  assert.notEqual(epoch(0), epoch(1));
});

test('data of the kit fit their model', () => {
  fc.assert(
    fc.property(aModel().chain((m) => someData(m).map((data) => ({ m, data }))), ({ m, data }) => {
      checkData(m, data);
      assert.ok(samplesOf(m, data) >= 1);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test('data that do not fit are refused, naming field, value and limit', () => {
  const net = mlp([2, 3]), lm = byteLm({ context: 4, embed: 2, hidden: 3, layers: 1 });
  const features = (inputs: number[], labels: number[]): TrainingData => ({ kind: 'features', inputs: Float32Array.from(inputs), labels: Int32Array.from(labels) });
  const ids = (list: number[], labels: number[]): TrainingData => ({ kind: 'tokens', ids: Int32Array.from(list), labels: Int32Array.from(labels) });
  const refused: readonly (readonly [TrainingData, typeof net, RegExp])[] = [
    [features([], []), net, /no samples/],
    [features([1, 2, 3], [0]), net, /2 input values/],
    [features([1, 2], [3]), net, /data\.labels: value 0.*got 3, limit '-1 to 2'/],
    [features([1, 2], [-2]), net, /got -2/],
    [{ kind: 'text', bytes: new Uint8Array(9) }, net, /features/],
    [features([1, 2], [0]), lm, /tokens/],
    [{ kind: 'text', bytes: new Uint8Array(4) }, lm, /shorter than one sample/],
    [ids([1, 2, 3, 256], [0]), lm, /data\.ids: value 3.*got 256/],
    [ids([1, 2, 3], [0]), lm, /4 input values/],
  ];
  for (const [data, m, message] of refused) assert.throws(() => checkData(m, data), (e) => e instanceof InvalidConfig && message.test(e.message), String(message));
});

test('optimizers: the defaults of the field, their moments, and what is refused', () => {
  assert.deepEqual(adamW(), { kind: 'adamW', learningRate: constant(1e-3), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 });
  assert.deepEqual(adam().weightDecay, 0);
  assert.deepEqual(sgd({ learningRate: 0.1 }), { kind: 'sgd', learningRate: constant(0.1), momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 });
  assert.deepEqual(rmsProp(), { kind: 'rmsProp', learningRate: constant(1e-2), alpha: 0.99, epsilon: 1e-8, momentum: 0, centered: false, weightDecay: 0 });
  assert.deepEqual(lion(), { kind: 'lion', learningRate: constant(1e-4), beta1: 0.9, beta2: 0.99, weightDecay: 0 });
  assert.deepEqual(lamb(), { kind: 'lamb', learningRate: constant(1e-3), beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0 });
  assert.deepEqual(adafactor(), {
    kind: 'adafactor', learningRate: constant(1), epsilon1: 1e-30, epsilon2: 1e-3, clipThreshold: 1, decayRate: -0.8, beta1: 0, weightDecay: 0, scaleParameter: true, relativeStep: true, warmupInit: false,
  });
  const kept = (optimizer: Optimizer, shape: readonly number[]): unknown[] => momentNames(optimizer, { shape }).map((name, i) => [name, momentSizes(optimizer, { shape })[i]]);
  assert.deepEqual(kept(sgd({ learningRate: 1 }), [3, 4]), []);
  assert.deepEqual(kept(sgd({ learningRate: 1, momentum: 0.9 }), [3, 4]), [['momentum_buffer', 12]]);
  for (const optimizer of [adam(), adamW(), lamb()]) assert.deepEqual(kept(optimizer, [3, 4]), [['exp_avg', 12], ['exp_avg_sq', 12]]);
  assert.deepEqual(kept(lion(), [7]), [['exp_avg', 7]]);
  assert.deepEqual(kept(rmsProp({ momentum: 0.5, centered: true }), [7]), [['square_avg', 7], ['grad_avg', 7], ['momentum_buffer', 7]]);
  assert.deepEqual(kept(adafactor(), [3, 4]), [['exp_avg_sq_row', 3], ['exp_avg_sq_col', 4]]);
  assert.deepEqual(kept(adafactor({ beta1: 0.9 }), [7]), [['exp_avg_sq', 7], ['exp_avg', 7]]);
  assert.deepEqual([0, 9_999, 39_999].map((updates) => learningRateOf(adafactor(), 0, updates)), [1e-2, 1e-2, 1 / 200]);
  assert.deepEqual([0, 1_999_999].map((updates) => learningRateOf(adafactor({ warmupInit: true }), 0, updates)), [1e-6, 1 / Math.sqrt(2e6)]);
  assert.equal(learningRateOf(adafactor({ learningRate: 0.3, relativeStep: false }), 5, 5), 0.3);
  for (const build of [
    () => sgd({ learningRate: -1 }), () => sgd({ learningRate: Infinity }), () => sgd({ learningRate: NaN }), () => sgd({ learningRate: 1, momentum: -0.1 }), () => sgd({ learningRate: 1, nesterov: true }),
    () => sgd({ learningRate: 1, momentum: 0.9, dampening: 0.1, nesterov: true }), () => sgd({ learningRate: 1, dampening: 2 }), () => sgd({ learningRate: 1, weightDecay: -1 }),
    () => adam({ beta1: 1 }), () => adam({ beta2: 1 }), () => adamW({ beta1: -0.1 }), () => adam({ epsilon: NaN }),
    () => rmsProp({ alpha: 1 }), () => rmsProp({ momentum: -1 }), () => rmsProp({ epsilon: -1 }), () => lion({ beta2: 1 }), () => lamb({ beta1: 1 }), () => lamb({ weightDecay: -1 }),
    () => adafactor({ learningRate: 1 }), () => adafactor({ relativeStep: false }), () => adafactor({ relativeStep: false, learningRate: 1, warmupInit: true }), () => adafactor({ decayRate: 0.8 }),
    () => adafactor({ epsilon1: 0 }), () => adafactor({ clipThreshold: 0 }), () => adafactor({ beta1: 1 }),
  ]) assert.throws(build, InvalidConfig, String(build));
});

test('schedules by their formulas', () => {
  const half = cosine({ peak: 2, end: 0.5, startStep: 3, totalSteps: 13 });
  for (let step = 0; step < 20; step++) {
    const progress = Math.min(1, Math.max(0, (step - 3) / 10));
    assert.ok(Math.abs(valueAt(half, step) - (0.5 + 1.5 * 0.5 * (1 + Math.cos(Math.PI * progress)))) < 1e-12);
  }
  assert.deepEqual([0, 1, 3, 4, 9].map((step) => valueAt(linearWarmup(4, 8), step)), [2, 4, 8, 8, 8]);
  assert.equal(valueAt(linearWarmup(0, 8), 0), 8);
  assert.equal(valueAt(linearWarmup(2, half), 5), valueAt(half, 5));
  assert.equal(valueAt(constant(0.3), 1e9), 0.3);
  for (const bad of [constant(-1), constant(Infinity), linearWarmup(-1, 1), linearWarmup(1.5, 1), linearWarmup(2, constant(-1)), cosine({ peak: 1, totalSteps: 0 }), cosine({ peak: 1, startStep: 5, totalSteps: 5 }), cosine({ peak: -1, totalSteps: 5 })]) {
    assert.throws(() => checkSchedule(bad), InvalidConfig, JSON.stringify(bad));
  }
});
