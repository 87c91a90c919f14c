/**
 * Scalars of the oracle's optimizers: f64 here, rounded once to f32 there, so each carries its rounding error; and arithmetic on such pairs.
 *
 *   { v, e }: |what fp32 has − v| ≤ e;  every operation adds its own rounding
 *
 * The learning rate is computed with the engine's cosine and powers, not with the project's own. Not here: what is computed (update*.ts).
 */
import type { Optimizer } from '../model/optimizer.js';
import type { Schedule } from '../model/schedule.js';
import { type Bounded, productError, roundedError, tiny, treeDepth, unit, type Values } from './bounded.js';

export interface OptimizerState {
  readonly weight: Values;
  /** As momentNames (model/moments.ts) has them. Zeros before the first step. */
  readonly moments: readonly Values[];
  /** The parameter's shape, which Adafactor asks for; a vector's unless given. */
  readonly shape?: readonly number[];
}

export interface ReferenceUpdate {
  readonly weight: Bounded;
  readonly moments: readonly Bounded[];
}

/** The schedule's value at a step (from 0) by the plain formulas. */
export const learningRateAt = (schedule: Schedule, step: number): number => {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value;
    case 'linearWarmup':
      return step < schedule.warmupSteps ? (learningRateAt(schedule.after, 0) * (step + 1)) / schedule.warmupSteps : learningRateAt(schedule.after, step);
    case 'linear':
    case 'cosine': {
      const { peak, end, startStep, totalSteps } = schedule;
      const progress = Math.min(1, Math.max(0, (step - startStep) / (totalSteps - startStep)));
      return end + (peak - end) * (schedule.kind === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
  }
};

/** Largest rate that a schedule can take: the scale of its polynomial's error. */
const peakOf = (schedule: Schedule): number => (schedule.kind === 'constant' ? schedule.value : schedule.kind === 'linearWarmup' ? peakOf(schedule.after) : Math.max(schedule.peak, schedule.end));

/** A scalar and the distance that its f32 form may keep from it. `slack`: absolute error of the f64 computation before it. */
export interface Scalar {
  readonly v: number;
  readonly e: number;
}
export const given = (v: number): Scalar => ({ v, e: Math.abs(Math.fround(v) - v) });
export const computed = (v: number, slack: number): Scalar => ({ v, e: unit * (Math.abs(v) + slack) + tiny + slack });

/** The learning rate of a step; Adafactor's relative step is its factor. */
export const rate = (optimizer: Optimizer, step: number, updates: number): Scalar => {
  const { learningRate } = optimizer, t = updates + 1;
  const relative = optimizer.kind === 'adafactor' && optimizer.relativeStep ? Math.min(optimizer.warmupInit ? 1e-6 * t : 0.01, t ** -0.5) : 1;
  return computed(learningRateAt(learningRate, step) * relative, (learningRate.kind === 'constant' ? 0 : 1e-12 * peakOf(learningRate)) + (relative === 1 ? 0 : 1e-14 * peakOf(learningRate)));
};

/** 1 − β^t with the error of β^t by repeated multiplication. */
export const biasCorrection = (beta: number, t: number): { readonly v: number; readonly slack: number } => ({ v: 1 - beta ** t, slack: t * 2 ** -52 });

/** The oracle's own f64 rounding, from above. */
const ownRounding = 1 + 2 ** -40;

/** A bound that says nothing, finite so that 0 times it is 0. */
export const unbounded = 1e200;

export const exactly = (v: number): Scalar => ({ v, e: 0 });
export const plus = (a: Scalar, b: Scalar): Scalar => {
  const v = a.v + b.v;
  return { v, e: roundedError(v, a.e + b.e) * ownRounding };
};
export const minus = (a: Scalar, b: Scalar): Scalar => plus(a, { v: -b.v, e: b.e });
export const times = (a: Scalar, b: Scalar): Scalar => ({ v: a.v * b.v, e: productError(a.v, a.e, b.v, b.e) * ownRounding });
export const over = (a: Scalar, b: Scalar): Scalar => {
  const v = a.v / b.v, size = Math.abs(b.v);
  if (a.v === 0 && a.e === 0 && size > b.e) return exactly(0);
  const carried = size > b.e ? (a.e + Math.abs(v) * b.e) / (size - b.e) : unbounded;
  return { v, e: (carried + unit * (Math.abs(v) + carried) + tiny) * ownRounding };
};
/** Of a value that is not below 0. */
export const rootOf = (a: Scalar): Scalar => {
  const v = Math.sqrt(a.v), carried = a.e === 0 ? 0 : Math.min(Math.sqrt(a.e), a.e / v);
  return { v, e: (carried + unit * (v + carried)) * ownRounding };
};

/** A sum of terms that are not below 0, in leaves of `leaf` terms under a tree. */
export const sumInLeaves = (terms: readonly Scalar[], leaf: number): Scalar => {
  let v = 0, e = 0;
  for (const term of terms) {
    v += term.v;
    e += term.e;
  }
  const additions = Math.min(leaf, terms.length) + treeDepth(Math.ceil(terms.length / leaf));
  return { v, e: (e + additions * unit * (v + e) * (1 + additions * 2 * unit)) * ownRounding * (1 + terms.length * 2 ** -52) };
};

/** Positions of a leaf of sums over parameters (docs/numerics.md §6). */
export const leafLength = 1024;

/** √Σ x². */
export const normOf = (values: readonly Scalar[]): Scalar => rootOf(sumInLeaves(values.map((x) => times(x, x)), leafLength));

/** Values and bounds apart. */
export const boundedOf = (values: readonly Scalar[]): Bounded => ({ value: Float64Array.from(values, ({ v }) => v), bound: Float64Array.from(values, ({ e }) => e) });

/** Gradient times the factor of clipping; a factor of exactly 1 changes nothing. */
export const clipped = (gradient: Values, clip: Scalar): Scalar[] => Array.from(gradient, (g) => (clip.v === 1 && clip.e === 0 ? exactly(g) : times(exactly(g), clip)));
