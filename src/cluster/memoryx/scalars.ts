/** The optimizer's scalars of one step: f64 by multiplication, each rounded once to f32 (docs/numerics.md §6). Not here: the update (update.ts). */
import { power as powerOf } from '../../model/elementary.js';
import { learningRateOf, type Optimizer } from '../../model/optimizer.js';

const f32 = Math.fround;

/** base^exponent by exponent−1 multiplications. */
const power = (base: number, exponent: number): number => {
  let result = base;
  for (let i = 1; i < exponent; i++) result *= base;
  return result;
};

export interface Scalars {
  /** No update was applied before. */
  readonly isFirst: boolean;
  readonly learningRate: number;
  readonly momentum: number;
  readonly oneMinusDampening: number;
  readonly alpha: number;
  readonly oneMinusAlpha: number;
  readonly beta1: number;
  readonly oneMinusBeta1: number;
  readonly beta2: number;
  readonly oneMinusBeta2: number;
  readonly epsilon: number;
  readonly stepSize: number;
  readonly kappa: number;
  readonly rootBias2: number;
  readonly weightDecay: number;
  readonly decay: number;
}

const absent = { momentum: 0, dampening: 0, alpha: 0, beta1: 0, beta2: 0, epsilon: 0 };

/** Scalars of step `step` (from 0), which the schedule counts; `updates`: those applied before. */
export const scalarsAt = (optimizer: Optimizer, step: number, updates: number): Scalars => {
  const lr = learningRateOf(optimizer, step, updates);
  const t = updates + 1, o = { ...absent, ...optimizer };
  /** Adafactor's β2 depends on the step. */
  const fresh2 = optimizer.kind === 'adafactor' ? powerOf(t, optimizer.decayRate) : 1 - o.beta2, beta2 = optimizer.kind === 'adafactor' ? 1 - fresh2 : o.beta2;
  const bias1 = 1 - power(o.beta1, t);
  return {
    isFirst: updates === 0,
    learningRate: f32(lr),
    momentum: f32(o.momentum),
    oneMinusDampening: f32(1 - o.dampening),
    alpha: f32(o.alpha),
    oneMinusAlpha: f32(1 - o.alpha),
    beta1: f32(o.beta1),
    oneMinusBeta1: f32(1 - o.beta1),
    beta2: f32(beta2),
    oneMinusBeta2: f32(fresh2),
    epsilon: f32(o.epsilon),
    stepSize: f32(lr / bias1),
    kappa: f32(1 / bias1),
    rootBias2: f32(Math.sqrt(1 - power(o.beta2, t))),
    weightDecay: f32(optimizer.weightDecay),
    decay: f32(1 - lr * optimizer.weightDecay),
  };
};
