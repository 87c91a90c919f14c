/**
 * Narrow types of the oracle (docs/numerics.md §15): weights rounded exactly by its own code, and what rounding at the boundaries of layers adds to a bound.
 *
 *   weights f32 ─nearest, or by the word of (seed, step, parameter, index)─▶ numbers of the type
 *   value ± bound ─snap─▶ what every number within it rounds to: most often one number       ─smooth─▶ value ± (bound + half a unit of the type)
 *
 * Rounding keeps the order of numbers, so what lies within ± bound rounds to what lies between the roundings of both ends. That is tight, and exact most of the time; but it
 * is a staircase, over which displacements cannot be measured (probed.ts): there the value stays as it is, and its bound grows by the unit roundoff.
 * A number that may leave the type's range is counted: no bound covers it. Not here: which layers have a boundary (forward.ts, step.ts).
 */
import type { Model } from '../model/graph.js';
import { numberFormats, type NumberType, type Precision } from '../model/precision.js';
import { purposes, randomUnit } from '../util/prng.js';
import { type Bounded, bounded, type Values } from './bounded.js';

/** Smallest exponent of a normal number, first power of two that is infinite, bits behind the point. */
const rangeOf = (type: NumberType) => {
  const { exponentBits, mantissaBits } = numberFormats[type], bias = 2 ** (exponentBits - 1) - 1;
  return { least: 1 - bias, over: 2 ** (bias + 1), mantissaBits };
};

/** The lower neighbour of |x| in units of its binade, what is left of one, and the unit. |x| below the first power of two that is infinite. */
const partsOf = (size: number, type: NumberType): { readonly whole: number; readonly rest: number; readonly unit: number } => {
  const { least, mantissaBits } = rangeOf(type);
  let exponent = Math.max(least, Math.floor(Math.log2(size)));
  // The engine's logarithm may be off by a unit at a power of two.
  if (size >= 2 ** (exponent + 1)) exponent++;
  else if (exponent > least && size < 2 ** exponent) exponent--;
  const unit = 2 ** (exponent - mantissaBits), whole = Math.floor(size / unit);
  return { whole, rest: size / unit - whole, unit };
};

const roundWith = (x: number, type: NumberType, isUp: (whole: number, rest: number) => boolean): number => {
  const { over } = rangeOf(type), size = Math.abs(x);
  if (Number.isNaN(x) || size === 0) return x;
  if (size >= over) return Math.sign(x) * Infinity;
  const { whole, rest, unit } = partsOf(size, type), near = (whole + (isUp(whole, rest) ? 1 : 0)) * unit;
  return Math.sign(x) * (near >= over ? Infinity : near);
};

/** x in the type, to nearest, ties to even. */
export const rounded = (x: number, type: NumberType): number => (type === 'float32' ? Math.fround(x) : roundWith(x, type, (whole, rest) => rest > 0.5 || (rest === 0.5 && whole % 2 === 1)));

/** The weights of a step as the wafers see them, in graph order. */
export const narrowWeights = (model: Model, masters: readonly Values[], { weights: type, stochasticRounding }: Precision, seed: number, step: number): readonly Values[] => {
  if (type === 'float32') return masters;
  return model.parameters.map(({ index }) => {
    return Float64Array.from(masters[index] ?? [], (x, i) => (stochasticRounding ? roundWith(x, type, (_, rest) => randomUnit(seed, purposes.rounding, i, step, index) < rest) : rounded(x, type)));
  });
};

/** Weights that are not finite: those beyond the range of their type. */
export const infinitesIn = (tensors: readonly Values[]): number => {
  let count = 0;
  for (const values of tensors) for (const value of values) if (!Number.isFinite(value)) count++;
  return count;
};

/** What rounding makes of a tensor at a boundary. */
export interface Boundary {
  /** Numbers that may have left the type's range so far. */
  overflows: number;
  readonly pass: (made: Bounded) => Bounded;
}

export const boundaryOf = (type: NumberType, mode: 'snap' | 'smooth'): Boundary => {
  const { least, mantissaBits } = rangeOf(type), share = 2 ** -(mantissaBits + 1), tiniest = 2 ** (least - mantissaBits - 1);
  const boundary: Boundary = {
    overflows: 0,
    pass(made) {
      if (type === 'float32') return made;
      const out = bounded(made.value.length);
      for (let i = 0; i < out.value.length; i++) {
        const value = made.value[i] as number, bound = made.bound[i] as number;
        const low = rounded(value - bound, type), high = rounded(value + bound, type), isInside = Number.isFinite(low) && Number.isFinite(high);
        if (!isInside) boundary.overflows++;
        if (isInside && (bound === 0 || mode === 'snap')) {
          out.value[i] = (low + high) / 2;
          out.bound[i] = (high - low) / 2;
        } else {
          out.value[i] = value;
          out.bound[i] = bound + share * (Math.abs(value) + bound) + tiniest;
        }
      }
      return out;
    },
  };
  return boundary;
};
