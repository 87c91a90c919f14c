/** The optimizer's scalars of one step: f64 by multiplication, each rounded once to f32 (docs/numerics.md §6). Not here: the update (update.ts). */
import type { Optimizer } from '../../model/optimizer.js';
import { valueAt } from '../../model/schedule.js';

const f32 = Math.fround;

/** base^exponent by exponent−1 multiplications. */
const power = (base: number, exponent: number): number => {
  let result = base;
  for (let i = 1; i < exponent; i++) result *= base;
  return result;
};

export interface Scalars {
  /** No update was made before. */
  readonly isFirst: boolean;
  readonly learningRate: number;
  readonly momentum: number;
  readonly oneMinusDampening: number;
  readonly beta1: number;
  readonly oneMinusBeta1: number;
  readonly beta2: number;
  readonly oneMinusBeta2: number;
  readonly epsilon: number;
  readonly stepSize: number;
  readonly rootBias2: number;
  readonly weightDecay: number;
  readonly decay: number;
}

/** Scalars of step `step` (from 0), which the schedule counts; `updates`: those applied before. */
export const scalarsAt = (optimizer: Optimizer, step: number, updates: number): Scalars => {
  const lr = valueAt(optimizer.learningRate, step);
  const t = updates + 1;
  const adam = optimizer.kind === 'sgd' ? { beta1: 0, beta2: 0, epsilon: 0 } : optimizer;
  const sgd = optimizer.kind === 'sgd' ? optimizer : { momentum: 0, dampening: 0 };
  return {
    isFirst: updates === 0,
    learningRate: f32(lr),
    momentum: f32(sgd.momentum),
    oneMinusDampening: f32(1 - sgd.dampening),
    beta1: f32(adam.beta1),
    oneMinusBeta1: f32(1 - adam.beta1),
    beta2: f32(adam.beta2),
    oneMinusBeta2: f32(1 - adam.beta2),
    epsilon: f32(adam.epsilon),
    stepSize: f32(lr / (1 - power(adam.beta1, t))),
    rootBias2: f32(Math.sqrt(1 - power(adam.beta2, t))),
    weightDecay: f32(optimizer.weightDecay),
    decay: f32(1 - lr * optimizer.weightDecay),
  };
};
