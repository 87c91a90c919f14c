/**
 * What a step-aware number is at a version, and which versions a schedule updates (docs/numerics.md §14): f64, then one rounding to f32, then into 0 … 1.
 *
 * Not here: descriptions and their checks (sparsity.ts), which parameters they are for (sparsity/plan.ts).
 */
import { InvalidConfig } from '../util/errors.js';
import { cosineAndSine, power } from './elementary.js';
import type { Hyperparameter, UpdateSchedule } from './sparsity.js';

/** Exponents beyond which e^x is 0 or too large for f32 in any case. */
const exponentMax = 700;

/** base^n by repeated squaring, lowest bit first. */
const wholePower = (base: number, n: number): number => {
  let result = 1, square = base;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
};

const valueOf = (h: Exclude<Hyperparameter, { kind: 'function' }>, step: number, turn: number): number => {
  switch (h.kind) {
    case 'constant':
      return h.value;
    case 'linear':
      return h.init + step * h.slope;
    case 'exponential':
      return h.final - (h.final - h.init) * power(2, Math.max(-exponentMax, Math.min(exponentMax, step * h.gamma)) / Math.LN2);
    case 'power':
      return h.init === 0 ? 0 : h.init * wholePower(h.beta, step);
    case 'cosine': {
      const offset = (h.init + h.minimum) / 2;
      return offset + (h.init - offset) * cosineAndSine(((step % (2 * h.halfPeriod)) * Math.PI) / h.halfPeriod)[0];
    }
    case 'cycling':
      return h.values[turn % h.values.length] as number;
  }
};

/**
 * The f32 value within 0 … 1 at a version. `turn`: how many values of a cycle were used before; `what` names the number.
 *
 * @throws InvalidConfig for a user's function that answers anything but a number from 0 to 1
 */
export const hyperparameterAt = (h: Hyperparameter, step: number, turn: number, what: string): number => {
  if (h.kind !== 'function') return Math.max(0, Math.min(1, Math.fround(valueOf(h, step, turn))));
  const answer: unknown = h.at(step);
  if (typeof answer !== 'number' || !(answer >= 0 && answer <= 1)) throw new InvalidConfig({ what: `${what} at step ${step}, from the function given`, value: answer ?? null, limit: 'a number from 0 to 1' });
  return Math.fround(answer);
};

/** Whether a schedule updates the mask at a version. */
export const updatesAt = (schedule: UpdateSchedule, version: number): boolean =>
  schedule.kind === 'steps' ? schedule.steps.includes(version) : version >= schedule.start && (version - schedule.start) % schedule.freq === 0 && (schedule.stop === null || version < schedule.stop);

/** The versions from 1 to `last` that a schedule updates, ascending; the first `most` of them. */
export const updatesUpTo = (schedule: UpdateSchedule, last: number, most: number): number[] => {
  if (schedule.kind === 'steps') return [...new Set(schedule.steps)].filter((step) => step >= 1 && step <= last).toSorted((a, b) => a - b).slice(0, most);
  const versions: number[] = [];
  const { freq, start, stop } = schedule, end = Math.min(last, (stop ?? Infinity) - 1);
  for (let version = start === 0 ? freq : start; version <= end && versions.length < most; version += freq) versions.push(version);
  return versions;
};
