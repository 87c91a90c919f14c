/**
 * Optimizers as plain data, with the parameters and defaults of PyTorch or of their publications. Their formulas stand in docs/numerics.md §6.
 * Not here: what they keep (moments.ts), the update itself (cluster/memoryx/), the oracle's update (reference/).
 */
import { InvalidConfig } from '../util/errors.js';
import { checkSchedule, constant, valueAt, type Schedule } from './schedule.js';

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
  | { readonly kind: 'adam' | 'adamW' | 'lamb'; readonly learningRate: Schedule; readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number }
  | { readonly kind: 'lion'; readonly learningRate: Schedule; readonly beta1: number; readonly beta2: number; readonly weightDecay: number }
  | { readonly kind: 'rmsProp'; readonly learningRate: Schedule; readonly alpha: number; readonly epsilon: number; readonly momentum: number; readonly centered: boolean; readonly weightDecay: number }
  | {
      readonly kind: 'adafactor';
      /** With relative steps a factor on them. */
      readonly learningRate: Schedule;
      readonly epsilon1: number; readonly epsilon2: number; readonly clipThreshold: number; readonly decayRate: number;
      /** 0: no momentum. */
      readonly beta1: number;
      readonly weightDecay: number; readonly scaleParameter: boolean; readonly relativeStep: boolean; readonly warmupInit: boolean;
    }
);

/** The one optimizer of a kind. */
export type OptimizerOf<K extends Optimizer['kind']> = Optimizer & { readonly kind: K };

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
  switch (optimizer.kind) {
    case 'sgd':
      within('momentum', optimizer.momentum, 0, Number.MAX_VALUE, true);
      within('dampening', optimizer.dampening, 0, 1, true);
      if (optimizer.nesterov && (optimizer.momentum === 0 || optimizer.dampening !== 0)) {
        throw new InvalidConfig({ what: 'nesterov', value: optimizer.momentum, limit: 'momentum > 0 and dampening = 0', hint: 'give a momentum and no dampening' });
      }
      break;
    case 'adam':
    case 'adamW':
    case 'lamb':
    case 'lion':
      within('beta1', optimizer.beta1, 0, 1, false);
      within('beta2', optimizer.beta2, 0, 1, false);
      if (optimizer.kind !== 'lion') within('epsilon', optimizer.epsilon, 0, Number.MAX_VALUE, true);
      break;
    case 'rmsProp':
      within('alpha', optimizer.alpha, 0, 1, false);
      within('epsilon', optimizer.epsilon, 0, Number.MAX_VALUE, true);
      within('momentum', optimizer.momentum, 0, Number.MAX_VALUE, true);
      break;
    case 'adafactor':
      // Below the smallest normal number a row without gradient would be divided by zero.
      within('epsilon1', optimizer.epsilon1, 2 ** -126, 1, true);
      within('epsilon2', optimizer.epsilon2, 0, Number.MAX_VALUE, true);
      within('clipThreshold', optimizer.clipThreshold, 2 ** -126, 2 ** 127, true);
      within('decayRate', optimizer.decayRate, -10, 0, true);
      within('beta1', optimizer.beta1, 0, 1, false);
      if (optimizer.warmupInit && !optimizer.relativeStep) throw new InvalidConfig({ what: 'warmupInit of the optimizer without relativeStep', value: true, hint: 'leave one of the two as it is' });
      break;
    default:
      optimizer satisfies never;
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
const adamLike = (kind: 'adam' | 'adamW' | 'lamb', o: AdamOptions, epsilon: number, weightDecay: number): Optimizer =>
  checkOptimizer({ kind, ...grouped(o), learningRate: schedule(o.learningRate ?? 1e-3), beta1: o.beta1 ?? 0.9, beta2: o.beta2 ?? 0.999, epsilon: o.epsilon ?? epsilon, weightDecay: o.weightDecay ?? weightDecay });

/** Adam; weight decay, if any, is added to the gradient (L2). */
export const adam = (o: AdamOptions = {}): Optimizer => adamLike('adam', o, 1e-8, 0);

/** AdamW: weight decay shrinks the weight itself; 0.01 unless given. */
export const adamW = (o: AdamOptions = {}): Optimizer => adamLike('adamW', o, 1e-8, 0.01);

/**
 * Lamb (You et al., arXiv:1904.00962, algorithm 2): the direction of Adam with bias correction, plus weightDecay · w, scaled for each parameter by ‖w‖ / ‖direction‖. The norms are
 * taken as they are (φ is the identity, nothing limits the ratio), and where one of them is 0 the ratio is 1.
 */
export const lamb = (o: AdamOptions = {}): Optimizer => adamLike('lamb', o, 1e-6, 0);

/** Lion (Chen et al., arXiv:2302.06675): the sign of a mixture of momentum and gradient; weight decay shrinks the weight itself. */
export const lion = (o: Omit<AdamOptions, 'epsilon'> = {}): Optimizer =>
  checkOptimizer({ kind: 'lion', ...grouped(o), learningRate: schedule(o.learningRate ?? 1e-4), beta1: o.beta1 ?? 0.9, beta2: o.beta2 ?? 0.99, weightDecay: o.weightDecay ?? 0 });

/** RMSprop as PyTorch has it; weight decay is added to the gradient (L2). Where rounding leaves a centered variance below 0, it is 0. */
export const rmsProp = (o: { readonly learningRate?: Rate; readonly alpha?: number; readonly epsilon?: number; readonly weightDecay?: number; readonly momentum?: number; readonly centered?: boolean } & Grouped = {}): Optimizer =>
  checkOptimizer({
    kind: 'rmsProp', ...grouped(o), learningRate: schedule(o.learningRate ?? 1e-2), alpha: o.alpha ?? 0.99, epsilon: o.epsilon ?? 1e-8, momentum: o.momentum ?? 0, centered: o.centered ?? false, weightDecay: o.weightDecay ?? 0,
  });

/**
 * Adafactor (Shazeer and Stern, arXiv:1804.04235) in its widely used form: a matrix keeps the means of its squared gradient over rows and over columns, a vector all squares.
 * With `relativeStep` the step is min(1e-2, 1/√t) (with `warmupInit` min(1e-6 · t, 1/√t)), and no learning rate is given; with `scaleParameter` it is multiplied by
 * max(epsilon2, root mean square of the parameter). Updates are clipped to a root mean square of `clipThreshold`. `beta1` null or 0: no momentum.
 *
 * @throws InvalidConfig for a learning rate beside relative steps, or for neither
 */
export const adafactor = (o: {
  readonly learningRate?: Rate; readonly epsilon1?: number; readonly epsilon2?: number; readonly clipThreshold?: number; readonly decayRate?: number; readonly beta1?: number | null;
  readonly weightDecay?: number; readonly scaleParameter?: boolean; readonly relativeStep?: boolean; readonly warmupInit?: boolean;
} & Grouped = {}): Optimizer => {
  const { relativeStep = true, warmupInit = false, scaleParameter = true } = o;
  if (relativeStep === (o.learningRate !== undefined)) {
    throw new InvalidConfig({
      what: relativeStep ? 'a learning rate of adafactor beside relative steps' : 'adafactor with neither a learning rate nor relative steps', value: o.learningRate,
      hint: relativeStep ? 'set relativeStep to false, or leave learningRate out' : 'give learningRate',
    });
  }
  return checkOptimizer({
    kind: 'adafactor', ...grouped(o), learningRate: schedule(o.learningRate ?? 1), epsilon1: o.epsilon1 ?? 1e-30, epsilon2: o.epsilon2 ?? 1e-3, clipThreshold: o.clipThreshold ?? 1, decayRate: o.decayRate ?? -0.8,
    beta1: o.beta1 ?? 0, weightDecay: o.weightDecay ?? 0, scaleParameter, relativeStep, warmupInit,
  });
};

/** The learning rate of step `step` (from 0), f64; `updates`: those applied before. Adafactor's relative step depends on these. */
export const learningRateOf = (optimizer: Optimizer, step: number, updates: number): number => {
  const rate = valueAt(optimizer.learningRate, step);
  if (optimizer.kind !== 'adafactor' || !optimizer.relativeStep) return rate;
  const t = updates + 1;
  return rate * Math.min(optimizer.warmupInit ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t));
};

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
