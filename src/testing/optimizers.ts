/** Arbitrary learning-rate schedules and optimizers, with the rates at which small models train. Not here: their formulas (docs/numerics.md). */
import fc from 'fast-check';
import { adafactor, adam, adamW, constant, cosine, lamb, linearWarmup, lion, rmsProp, sgd, type Optimizer, type Schedule } from '../index.js';
import type { ParameterGroup } from '../model/optimizer.js';

const aRate = (): fc.Arbitrary<number> => fc.double({ min: 1e-4, max: 0.1, noNaN: true });

/** A constant rate, half a cosine, or a linear warm-up before one of these. */
export const aSchedule = (): fc.Arbitrary<Schedule> => {
  const aConstant = aRate().map(constant);
  const aCosine = fc
    .record({ peak: aRate(), end: fc.double({ min: 0, max: 1e-3, noNaN: true }), startStep: fc.nat({ max: 3 }), length: fc.integer({ min: 1, max: 10 }) })
    .map(({ peak, end, startStep, length }) => cosine({ peak, end, startStep, totalSteps: startStep + length }));
  const after = fc.oneof(aConstant, aCosine);
  return fc.oneof(aConstant, aCosine, fc.tuple(fc.nat({ max: 5 }), after).map(([steps, then]) => linearWarmup(steps, then)));
};

const sometimes = (low: number, high: number): fc.Arbitrary<number> => fc.oneof(fc.constant(0), fc.double({ min: low, max: high, noNaN: true }));

/** Settings of their own for biases and gains, for matrices, or by name. */
const someGroups = (): fc.Arbitrary<readonly ParameterGroup[]> => {
  const aGroup = fc
    .record({ of: fc.constantFrom({ rank: 1 as const }, { rank: 2 as const }, { name: 'bias' }, { name: 'weight' }, { name: '1', rank: 2 as const }), weightDecay: fc.option(sometimes(1e-3, 0.1), { nil: undefined }), learningRateFactor: fc.constantFrom(undefined, 0, 0.3, 1, 2) })
    .map(({ of, weightDecay, learningRateFactor }): ParameterGroup => ({ ...of, ...(weightDecay === undefined ? {} : { weightDecay }), ...(learningRateFactor === undefined ? {} : { learningRateFactor }) }));
  return fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(aGroup, { minLength: 1, maxLength: 2 }) });
};

export interface OptimizerOptions {
  /** Whether Adafactor is drawn too, which sparse weights do not have; true unless given. */
  readonly adafactor?: boolean;
}

/** Any optimizer in all its forms; with parameter groups now and then. */
export const anOptimizer = (options: OptimizerOptions = {}): fc.Arbitrary<Optimizer> => {
  const anSgd = fc
    .record({ learningRate: aSchedule(), momentum: sometimes(0.1, 0.95), dampening: sometimes(0.1, 0.9), nesterov: fc.boolean(), weightDecay: sometimes(1e-4, 0.1) })
    .map(({ nesterov, dampening, ...rest }) => sgd({ ...rest, ...(nesterov && rest.momentum > 0 ? { nesterov } : { dampening }) }));
  const anAdam = fc
    .record({
      learningRate: aSchedule(), beta1: fc.constantFrom(0, 0.8, 0.9), beta2: fc.constantFrom(0.9, 0.99, 0.999), epsilon: fc.constantFrom(1e-8, 1e-6), weightDecay: sometimes(1e-3, 0.1), make: fc.constantFrom(adam, adamW, lamb),
    })
    .map(({ make, ...rest }) => make(rest));
  const aLion = fc.record({ learningRate: aSchedule(), beta1: fc.constantFrom(0, 0.9, 0.95), beta2: fc.constantFrom(0, 0.98, 0.99), weightDecay: sometimes(1e-3, 0.1) }).map(lion);
  const anRmsProp = fc
    .record({ learningRate: aSchedule(), alpha: fc.constantFrom(0.9, 0.99), epsilon: fc.constantFrom(1e-8, 1e-3), momentum: sometimes(0.1, 0.9), centered: fc.boolean(), weightDecay: sometimes(1e-4, 0.1) })
    .map(rmsProp);
  const anAdafactor = fc
    .record({
      learningRate: fc.option(aSchedule(), { nil: undefined }), clipThreshold: fc.constantFrom(0.5, 1), decayRate: fc.constantFrom(-0.8, -0.5), beta1: fc.constantFrom(null, 0.9), weightDecay: sometimes(1e-3, 0.1),
      scaleParameter: fc.boolean(), warmupInit: fc.boolean(),
    })
    .map(({ learningRate, warmupInit, ...rest }) => adafactor(learningRate === undefined ? { ...rest, warmupInit } : { ...rest, learningRate, relativeStep: false }));
  const kinds = [anSgd, anAdam, fc.oneof(aLion, anRmsProp), ...(options.adafactor === false ? [] : [anAdafactor])];
  return fc.tuple(fc.oneof(...kinds), someGroups()).map(([optimizer, groups]) => (groups.length === 0 ? optimizer : { ...optimizer, groups }));
};
