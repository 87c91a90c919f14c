/** The oracle's optimizer: an honest fp32 update lies within its bounds over several steps, a faulty one does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { momentSizes } from '../../../src/model/moments.js';
import { adafactor, adam, adamW, lamb, lion, type Optimizer, rmsProp, sgd } from '../../../src/model/optimizer.js';
import { constant, cosine, linearWarmup, type Schedule, valueAt } from '../../../src/model/schedule.js';
import { describeVerdict, type Verdict, worstWithin } from '../../../src/reference/compare.js';
import { learningRateAt } from '../../../src/reference/scalars.js';
import { referenceUpdate } from '../../../src/reference/update.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { stout } from '../../support/mutations-cases.js';
import { type UpdateFault, type WitnessState, witnessUpdate } from '../../support/mutations-update.js';

const seed = 20240818;
const count = 64;

const aRate: fc.Arbitrary<number | Schedule> = fc.oneof(
  fc.double({ min: 1e-5, max: 1, noNaN: true }),
  fc.constantFrom(linearWarmup(3, 0.01), cosine({ peak: 0.1, end: 0, totalSteps: 5 }), linearWarmup(2, cosine({ peak: 0.03, end: 0.001, startStep: 2, totalSteps: 40 }))),
);
const aFraction = fc.double({ min: 0, max: 0.999, noNaN: true });
const aDecay = fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 0.5, noNaN: true }));
const anAdafactor: fc.Arbitrary<Optimizer> = fc
  .record({ learningRate: fc.option(aRate, { nil: undefined }), clipThreshold: fc.constantFrom(0.1, 1, 10), decayRate: fc.constantFrom(-0.8, -0.5, 0), beta1: fc.oneof(fc.constant(null), aFraction), weightDecay: aDecay, scaleParameter: fc.boolean(), warmupInit: fc.boolean() })
  .map(({ learningRate, warmupInit, ...rest }) => adafactor(learningRate === undefined ? { ...rest, warmupInit } : { ...rest, learningRate, relativeStep: false }));
const anOptimizer: fc.Arbitrary<Optimizer> = fc.oneof(
  fc.record({ learningRate: aRate, momentum: aFraction, dampening: aFraction, weightDecay: aDecay }).map(sgd),
  fc.record({ learningRate: aRate, momentum: fc.double({ min: 0.1, max: 1, noNaN: true }), weightDecay: aDecay }).map((o) => sgd({ ...o, nesterov: true })),
  fc.record({ learningRate: aRate, beta1: aFraction, beta2: aFraction, epsilon: fc.constantFrom(1e-8, 1e-3), weightDecay: aDecay }).map(adam),
  fc.record({ learningRate: aRate, beta1: aFraction, beta2: aFraction, epsilon: fc.constantFrom(1e-8, 1e-3), weightDecay: aDecay }).map(adamW),
  fc.record({ learningRate: aRate, beta1: aFraction, beta2: aFraction, epsilon: fc.constantFrom(1e-8, 1e-3), weightDecay: aDecay }).map(lamb),
  fc.record({ learningRate: aRate, beta1: aFraction, beta2: aFraction, weightDecay: aDecay }).map(lion),
  // Without a memory a centered variance is 0, and weights leave the range of fp32.
  fc.record({ learningRate: aRate, alpha: fc.double({ min: 0.1, max: 0.999, noNaN: true }), epsilon: fc.constantFrom(1e-8, 1e-3), momentum: fc.oneof(fc.constant(0), aFraction), centered: fc.boolean(), weightDecay: aDecay }).map(rmsProp),
  anAdafactor,
);

const judge = (optimizer: Optimizer, step: number, state: WitnessState, gradient: Float32Array, next: WitnessState): Verdict[] => {
  const expected = referenceUpdate(optimizer, step, state, gradient);
  return [worstWithin('weight', next.weight, expected.weight), ...expected.moments.map((m, i) => worstWithin(`moment ${i}`, next.moments[i] ?? new Float32Array(0), m))];
};
const startOf = (optimizer: Optimizer, s: number, shape: readonly number[] = [count]): WitnessState => ({ weight: stout(count, 1, s, 1), moments: momentSizes(optimizer, { shape }).map((size) => new Float32Array(size)), shape });

test('an honest fp32 update lies within the bounds, at every step', () => {
  const worst = new Map<string, number>();
  fc.assert(
    fc.property(anOptimizer, fc.nat(), fc.constantFrom(1e-20, 1e-6, 1e-2, 10), fc.constantFrom([count], [16, 4], [1, count], [count, 1]), (optimizer, s, scale, shape) => {
      let state = startOf(optimizer, s, shape);
      for (let step = 0; step < 6; step++) {
        const gradient = stout(count, scale, s, 2 + step);
        gradient[3] = 0;
        const next = witnessUpdate(optimizer, step, state, gradient);
        for (const v of judge(optimizer, step, state, gradient, next)) {
          assert.ok(v.ok, `${optimizer.kind}, step ${step}: ${describeVerdict(v)}`);
          worst.set(optimizer.kind, Math.max(worst.get(optimizer.kind) ?? 0, v.ratio));
        }
        state = next;
      }
    }),
    { seed, numRuns: 700 },
  );
  // A sum's bound is that of its longest chain, which errors seldom reach.
  for (const kind of ['sgd', 'adam', 'adamW', 'rmsProp', 'lion', 'lamb', 'adafactor']) assert.ok((worst.get(kind) ?? 0) > 0.1, `${kind}: the nearest approach to a bound was ${worst.get(kind)}`);
  assert.ok(Math.max(...worst.values()) > 0.3);
});

test('planted faults of an update are caught', () => {
  // Weights and gradients have magnitudes in [½, 1), rates are 10^-2: every fault moves some result by 10^-5 or more, the bounds are some 10^-7.
  const nesterov = sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.1 }), dampened = sgd({ learningRate: 0.01, momentum: 0.9, dampening: 0.5 });
  const l2 = adam({ learningRate: 0.01, weightDecay: 0.1, epsilon: 1e-3 }), decoupled = adamW({ learningRate: 0.01, weightDecay: 0.1, epsilon: 1e-3 });
  const planted: readonly (readonly [Optimizer, number, UpdateFault])[] = [
    ...([0, 3] as const).flatMap((step) => [
      ...[l2, decoupled].flatMap((o) => (['noBiasCorrection', 'stepCountedTwice', 'epsilonInsideRoot', 'decayForgotten', 'decayCoupledInstead', 'momentsSwapped', 'flippedSign', 'bfloat16Moment'] as const).map((fault) => [o, step, fault] as const)),
      ...(['decayForgotten', 'nesterovForgotten', 'flippedSign', 'bfloat16Moment'] as const).map((fault) => [nesterov, step, fault] as const),
    ]),
    [dampened, 0, 'firstStepDampened'],
    ...[rmsProp({ weightDecay: 0.1, momentum: 0.9, centered: true }), lamb({ learningRate: 0.01, weightDecay: 0.1 }), lion({ learningRate: 0.01, weightDecay: 0.1 }), adafactor({ weightDecay: 0.1, beta1: 0.9 })].flatMap((o) =>
      ([0, 3] as const).flatMap((step) => (['decayForgotten', 'flippedSign', 'bfloat16Moment', ...(o.kind === 'lamb' || o.kind === 'adafactor' ? (['stepCountedTwice'] as const) : [])] as const).map((fault) => [o, step, fault] as const))),
  ];
  for (const [optimizer, last, fault] of planted) {
    let state = startOf(optimizer, 1);
    for (let step = 0; step < last; step++) state = witnessUpdate(optimizer, step, state, stout(count, 1, 1, 2 + step));
    const gradient = stout(count, 1, 1, 2 + last);
    const bad = judge(optimizer, last, state, gradient, witnessUpdate(optimizer, last, state, gradient, fault));
    assert.ok(bad.some((v) => !v.ok), `${optimizer.kind}, step ${last}, ${fault}: ${bad.map(describeVerdict).join('; ')}`);
  }
});

test('the schedules of the model follow the plain formulas', () => {
  for (const schedule of [constant(0.3), linearWarmup(7, 0.1), cosine({ peak: 0.2, end: 0.01, startStep: 3, totalSteps: 30 }), linearWarmup(5, cosine({ peak: 1, totalSteps: 50 }))]) {
    for (let step = 0; step < 60; step++) {
      assert.ok(Math.abs(valueAt(schedule, step) - learningRateAt(schedule, step)) <= 1e-12, `${JSON.stringify(schedule)} at ${step}`);
    }
  }
});

test('an update with the wrong number of values or moments is refused', () => {
  const weight = new Float32Array(3);
  assert.throws(() => referenceUpdate(adam(), 0, { weight, moments: [weight] }, weight), InvalidConfig);
  assert.throws(() => referenceUpdate(sgd({ learningRate: 1 }), 0, { weight, moments: [] }, new Float32Array(2)), InvalidConfig);
  const [second, whole] = [new Float32Array(2), new Float32Array(6)];
  assert.throws(() => referenceUpdate(adafactor(), 0, { weight: whole, moments: [second, second], shape: [3, 2] }, whole), InvalidConfig);
});
