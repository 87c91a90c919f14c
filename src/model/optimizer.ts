/**
 * Optimizers as plain data, with PyTorch's parameters and defaults. Their formulas stand in docs/numerics.md §6.
 * Not here: the update itself (cluster/memoryx/), the oracle's update (reference/).
 */
import { InvalidConfig } from '../util/errors.js';
import { checkSchedule, constant, type Schedule } from './schedule.js';

export type Optimizer =
  | { readonly kind: 'sgd'; readonly learningRate: Schedule; readonly momentum: number; readonly dampening: number; readonly nesterov: boolean; readonly weightDecay: number }
  | { readonly kind: 'adam' | 'adamW'; readonly learningRate: Schedule; readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number };

type Rate = number | Schedule;
const schedule = (rate: Rate): Schedule => (typeof rate === 'number' ? constant(rate) : rate);

const within = (what: string, value: number, low: number, high: number, closed: boolean): void => {
  if (!(value >= low && (closed ? value <= high : value < high))) {
    throw new InvalidConfig({ what: `${what} of the optimizer`, value, limit: `${low} ≤ ${what} ${closed ? '≤' : '<'} ${high}` });
  }
};

/** Checks an optimizer's numbers. @throws InvalidConfig */
export const checkOptimizer = (optimizer: Optimizer): Optimizer => {
  checkSchedule(optimizer.learningRate);
  within('weightDecay', optimizer.weightDecay, 0, Number.MAX_VALUE, true);
  if (optimizer.kind === 'sgd') {
    within('momentum', optimizer.momentum, 0, Number.MAX_VALUE, true);
    within('dampening', optimizer.dampening, 0, 1, true);
    if (optimizer.nesterov && (optimizer.momentum === 0 || optimizer.dampening !== 0)) {
      throw new InvalidConfig({ what: 'nesterov', value: optimizer.momentum, limit: 'momentum > 0 and dampening = 0', hint: 'give a momentum and no dampening' });
    }
  } else {
    within('beta1', optimizer.beta1, 0, 1, false);
    within('beta2', optimizer.beta2, 0, 1, false);
    within('epsilon', optimizer.epsilon, 0, Number.MAX_VALUE, true);
  }
  return optimizer;
};

/** Stochastic gradient descent, with momentum and Nesterov's form. */
export const sgd = (o: { readonly learningRate: Rate; readonly momentum?: number; readonly dampening?: number; readonly nesterov?: boolean; readonly weightDecay?: number }): Optimizer =>
  checkOptimizer({ kind: 'sgd', learningRate: schedule(o.learningRate), momentum: o.momentum ?? 0, dampening: o.dampening ?? 0, nesterov: o.nesterov ?? false, weightDecay: o.weightDecay ?? 0 });

interface AdamOptions {
  readonly learningRate?: Rate;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}
const adamLike = (kind: 'adam' | 'adamW', o: AdamOptions, weightDecay: number): Optimizer =>
  checkOptimizer({ kind, learningRate: schedule(o.learningRate ?? 1e-3), beta1: o.beta1 ?? 0.9, beta2: o.beta2 ?? 0.999, epsilon: o.epsilon ?? 1e-8, weightDecay: o.weightDecay ?? weightDecay });

/** Adam; weight decay, if any, is added to the gradient (L2). */
export const adam = (o: AdamOptions = {}): Optimizer => adamLike('adam', o, 0);

/** AdamW: weight decay shrinks the weight itself; 0.01 unless given. */
export const adamW = (o: AdamOptions = {}): Optimizer => adamLike('adamW', o, 0.01);

/** Moment tensors that the optimizer keeps beside each parameter. */
export const momentsOf = (optimizer: Optimizer): number => (optimizer.kind === 'sgd' ? (optimizer.momentum === 0 ? 0 : 1) : 2);
