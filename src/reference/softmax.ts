/**
 * One softmax row of the oracle with what fp32 may lose in it: shared by the loss (over classes) and attention (over keys).
 *
 * The probabilities do not depend on the maximum that is subtracted, so an error of the maximum cancels and is carried only into the sizes of
 * what is rounded. An error of the inputs passes through the Jacobian p·(δ − Σ p δ), taken along the whole path: on it no probability moves by more than
 * a factor e^{2·largest error}. Where the inputs' errors are so large that this says nothing, what holds for any inputs stands in: a
 * probability errs by at most 1, and a sum of exponentials is at least 1. Not here: what is made of the row (loss.ts, attention.ts).
 */
import { expUlps, expUnderflow, growth, unit } from './bounded.js';

/** Filled anew by each call of `softmaxRow`; the first `count` elements hold. */
export interface SoftmaxRow {
  readonly p: Float64Array;
  /** How far an error of the inputs moves each p. */
  readonly carried: Float64Array;
  /** Relative error of each computed exponential, given the computed inputs; beside it `expUnderflow`. */
  readonly relative: Float64Array;
  max: number;
  /** Σ exp(x − max). */
  sum: number;
  /** Relative error of the computed sum, given the computed inputs. */
  sumRelative: number;
  /** Largest bound of the inputs, and the factor by which p may move along the path. */
  largest: number;
  path: number;
  /** Σ p · bound of the inputs. */
  weighted: number;
}

export const softmaxRowOf = (size: number): SoftmaxRow => ({
  p: new Float64Array(size), carried: new Float64Array(size), relative: new Float64Array(size), max: 0, sum: 0, sumRelative: 0, largest: 0, path: 1, weighted: 0,
});

/** The smaller of two bounds that both hold; the second is finite. */
export const least = (a: number, b: number): number => (a < b ? a : b);

/** Additions from a term to the sum, in groups of `group`. */
export const additionsOf = (count: number, group: number): number => Math.min(count, group) + Math.ceil(count / group);

/** softmax of value[at … at + count − 1]; sums in groups of `group`. */
export const softmaxRow = (row: SoftmaxRow, value: Float64Array, bound: Float64Array, at: number, count: number, group: number): void => {
  const { p, carried, relative } = row;
  let max = -Infinity, largest = 0;
  for (let k = 0; k < count; k++) {
    max = Math.max(max, value[at + k] as number);
    largest = Math.max(largest, bound[at + k] as number);
  }
  let sum = 0, error = 0;
  const slack = growth(64), own = 2 * expUlps * unit;
  for (let first = 0; first < count; first += group) {
    let part = 0;
    for (let k = first; k < Math.min(count, first + group); k++) {
      const d = (value[at + k] as number) - max, e = Math.exp(d);
      // exp's result errs by its rounded argument and by its own bound.
      const r = (Math.expm1(unit * (Math.abs(d) + 2 * largest)) + own) * slack;
      p[k] = e;
      relative[k] = r;
      part += e;
      error += unit * part + r * e + expUnderflow;
    }
    sum += part;
    if (first > 0) error += unit * sum;
  }
  const path = Math.exp(4 * largest);
  let weighted = 0;
  for (let k = 0; k < count; k++) {
    p[k] = (p[k] as number) / sum;
    weighted += (p[k] as number) * (bound[at + k] as number);
  }
  const pathSlack = path * growth(4);
  for (let k = 0; k < count; k++) {
    const q = p[k] as number, b = bound[at + k] as number;
    carried[k] = least(pathSlack * q * ((1 - q) * b + (weighted - q * b)), 1);
  }
  row.max = max;
  row.sum = sum;
  row.largest = largest;
  row.path = path;
  row.weighted = weighted;
  // For any inputs: a term errs by |d|·e^d ≤ 0.4 roundings of its argument, exp's own and its addition's, each of at most sum ≥ 1.
  row.sumRelative = least((error / sum) * path, count * ((2 * expUlps + 2) * unit + expUnderflow)) * growth(additionsOf(count, group) + 8);
};
