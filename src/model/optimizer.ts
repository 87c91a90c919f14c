/**
 * Optimizers as plain data, with PyTorch's parameters and defaults. Their formulas stand in docs/numerics.md §6.
 * Not here: the update itself (cluster/memoryx/), the oracle's update (reference/).
 */
import { InvalidConfig } from '../util/errors.js';
import { checkSchedule, constant, type Schedule } from './schedule.js';

/** Settings for some parameters: the first group that a parameter belongs to decides. */
export interface ParameterGroup {
  /** Rank of the tensor: 1 are biases and gains, 2 are weights and tables. */
  readonly rank?: 1 | 2;
  /** Text that the parameter's name contains. */
  readonly name?: string;
  readonly weightDecay?: number;
  /** Factor on the learning rate. */
  readonly learningRateFactor?: number;
}

interface Grouped {
  readonly groups?: readonly ParameterGroup[];
}

export type Optimizer = Grouped & (
  | { readonly kind: 'sgd'; readonly learningRate: Schedule; readonly momentum: number; readonly dampening: number; readonly nesterov: boolean; readonly weightDecay: number }
  | { readonly kind: 'adam' | 'adamW'; readonly learningRate: Schedule; readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number }
);

/** The usual group: no weight decay for biases and gains. */
export const decayMatricesOnly: readonly ParameterGroup[] = [{ rank: 1, weightDecay: 0 }];

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
  for (const group of optimizer.groups ?? []) {
    if (group.rank === undefined && group.name === undefined) throw new InvalidConfig({ what: 'a parameter group that says for which parameters it is', where: 'optimizer.groups', hint: 'give rank or name' });
    within('weightDecay of a group', group.weightDecay ?? 0, 0, Number.MAX_VALUE, true);
    within('learningRateFactor of a group', group.learningRateFactor ?? 1, 0, Number.MAX_VALUE, true);
  }
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
export const sgd = (o: { readonly learningRate: Rate; readonly momentum?: number; readonly dampening?: number; readonly nesterov?: boolean; readonly weightDecay?: number } & Grouped): Optimizer =>
  checkOptimizer({ kind: 'sgd', ...grouped(o), learningRate: schedule(o.learningRate), momentum: o.momentum ?? 0, dampening: o.dampening ?? 0, nesterov: o.nesterov ?? false, weightDecay: o.weightDecay ?? 0 });

const grouped = ({ groups }: Grouped): Grouped => (groups === undefined ? {} : { groups });

interface AdamOptions extends Grouped {
  readonly learningRate?: Rate;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}
const adamLike = (kind: 'adam' | 'adamW', o: AdamOptions, weightDecay: number): Optimizer =>
  checkOptimizer({ kind, ...grouped(o), learningRate: schedule(o.learningRate ?? 1e-3), beta1: o.beta1 ?? 0.9, beta2: o.beta2 ?? 0.999, epsilon: o.epsilon ?? 1e-8, weightDecay: o.weightDecay ?? weightDecay });

/** Adam; weight decay, if any, is added to the gradient (L2). */
export const adam = (o: AdamOptions = {}): Optimizer => adamLike('adam', o, 0);

/** AdamW: weight decay shrinks the weight itself; 0.01 unless given. */
export const adamW = (o: AdamOptions = {}): Optimizer => adamLike('adamW', o, 0.01);

/** Moment tensors that the optimizer keeps beside each parameter. */
export const momentsOf = (optimizer: Optimizer): number => (optimizer.kind === 'sgd' ? (optimizer.momentum === 0 ? 0 : 1) : 2);

const scaled = (schedule: Schedule, factor: number): Schedule => {
  switch (schedule.kind) {
    case 'constant':
      return { ...schedule, value: schedule.value * factor };
    case 'linearWarmup':
      return { ...schedule, after: scaled(schedule.after, factor) };
    case 'linear':
    case 'cosine':
      return { ...schedule, peak: schedule.peak * factor, end: schedule.end * factor };
  }
};

/** The optimizer as one parameter sees it: settings of its group, no groups left. */
export const optimizerFor = (optimizer: Optimizer, parameter: { readonly name: string; readonly shape: readonly number[] }): Optimizer => {
  const { groups = [], ...plain } = optimizer;
  const group = groups.find(({ rank, name }) => (rank === undefined || rank === parameter.shape.length) && (name === undefined || parameter.name.includes(name)));
  if (group === undefined) return plain;
  return { ...plain, weightDecay: group.weightDecay ?? plain.weightDecay, learningRate: scaled(plain.learningRate, group.learningRateFactor ?? 1) };
};
