/**
 * Learning-rate schedules as plain data, and their value at a step, in f64 (docs/numerics.md §7).
 * Not here: rounding to f32 (where the optimizer's scalars are made).
 */
import { InvalidConfig } from '../util/errors.js';

export type Schedule =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'linearWarmup'; readonly warmupSteps: number; readonly after: Schedule }
  | { readonly kind: 'linear' | 'cosine'; readonly peak: number; readonly end: number; readonly startStep: number; readonly totalSteps: number };

/** The same rate at every step. */
export const constant = (value: number): Schedule => ({ kind: 'constant', value });

/** Rises linearly to the first value of `after` over `warmupSteps`, then follows `after`. */
export const linearWarmup = (warmupSteps: number, after: Schedule | number): Schedule => ({
  kind: 'linearWarmup',
  warmupSteps,
  after: typeof after === 'number' ? constant(after) : after,
});

/** Falls from `peak` to `end` along half a cosine between `startStep` and `totalSteps`. */
export const cosine = (spec: { readonly peak: number; readonly end?: number; readonly startStep?: number; readonly totalSteps: number }): Schedule => ({
  kind: 'cosine',
  peak: spec.peak,
  end: spec.end ?? 0,
  startStep: spec.startStep ?? 0,
  totalSteps: spec.totalSteps,
});

/** Falls from `peak` to `end` along a straight line between `startStep` and `totalSteps`. */
export const linearDecay = (spec: { readonly peak: number; readonly end?: number; readonly startStep?: number; readonly totalSteps: number }): Schedule => ({ kind: 'linear', peak: spec.peak, end: spec.end ?? 0, startStep: spec.startStep ?? 0, totalSteps: spec.totalSteps });

/** Checks a schedule's numbers. @throws InvalidConfig */
export const checkSchedule = (schedule: Schedule): void => {
  const rate = (what: string, value: number): void => {
    if (!Number.isFinite(value) || value < 0) throw new InvalidConfig({ what: `${what} of the learning-rate schedule`, value, limit: 'a finite number ≥ 0' });
  };
  const count = (what: string, value: number): void => {
    if (!Number.isInteger(value) || value < 0) throw new InvalidConfig({ what: `${what} of the learning-rate schedule`, value, limit: 'a whole number ≥ 0' });
  };
  switch (schedule.kind) {
    case 'constant':
      rate('value', schedule.value);
      return;
    case 'linearWarmup':
      count('warmupSteps', schedule.warmupSteps);
      checkSchedule(schedule.after);
      return;
    case 'linear':
    case 'cosine':
      rate('peak', schedule.peak);
      rate('end', schedule.end);
      count('startStep', schedule.startStep);
      count('totalSteps', schedule.totalSteps);
      if (schedule.totalSteps <= schedule.startStep) {
        throw new InvalidConfig({ what: `totalSteps of a ${schedule.kind} schedule`, value: schedule.totalSteps, limit: `above startStep ${schedule.startStep}` });
      }
      return;
    default:
      schedule satisfies never;
  }
};

/** cos on [0, π] by its Taylor polynomial around π/2: |error| < 1e-13; additions and multiplications only, so the same on any engine. */
const cosineOfHalfTurn = (x: number): number => {
  const y = x - Math.PI / 2;
  const z = y * y;
  let term = y, sum = y;
  for (let k = 1; k <= 10; k++) {
    term = (term * -z) / (2 * k * (2 * k + 1));
    sum += term;
  }
  return -sum;
};

/** The schedule's value at a step (from 0), f64. */
export const valueAt = (schedule: Schedule, step: number): number => {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value;
    case 'linearWarmup':
      return step < schedule.warmupSteps ? valueAt(schedule.after, 0) * ((step + 1) / schedule.warmupSteps) : valueAt(schedule.after, step);
    case 'linear':
    case 'cosine': {
      const progress = Math.min(1, Math.max(0, (step - schedule.startStep) / (schedule.totalSteps - schedule.startStep)));
      return schedule.end + (schedule.peak - schedule.end) * (schedule.kind === 'linear' ? 1 - progress : 0.5 * (1 + cosineOfHalfTurn(Math.PI * progress)));
    }
  }
};
