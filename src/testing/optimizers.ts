/** Arbitrary learning-rate schedules and optimizers, with the rates at which small models train. Not here: their formulas (docs/numerics.md). */
import fc from 'fast-check';
import { adam, adamW, constant, cosine, linearWarmup, sgd, type Optimizer, type Schedule } from '../index.js';
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

/** SGD in all its forms, Adam or AdamW; with parameter groups now and then. */
export const anOptimizer = (): fc.Arbitrary<Optimizer> => {
  const anSgd = fc
    .record({ learningRate: aSchedule(), momentum: sometimes(0.1, 0.95), dampening: sometimes(0.1, 0.9), nesterov: fc.boolean(), weightDecay: sometimes(1e-4, 0.1) })
    .map(({ nesterov, dampening, ...rest }) => sgd({ ...rest, ...(nesterov && rest.momentum > 0 ? { nesterov } : { dampening }) }));
  const anAdam = fc
    .record({
      learningRate: aSchedule(), beta1: fc.constantFrom(0, 0.8, 0.9), beta2: fc.constantFrom(0.9, 0.99, 0.999), epsilon: fc.constantFrom(1e-8, 1e-6), weightDecay: sometimes(1e-3, 0.1), decoupled: fc.boolean(),
    })
    .map(({ decoupled, ...rest }) => (decoupled ? adamW(rest) : adam(rest)));
  return fc.tuple(fc.oneof(anSgd, anAdam), someGroups()).map(([optimizer, groups]) => (groups.length === 0 ? optimizer : { ...optimizer, groups }));
};
