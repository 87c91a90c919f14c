/**
 * The verdict: a tensor of the cluster against the oracle's, its worst element by name, index and value.
 *
 * An element is within if |actual − value| ≤ bound. Where the oracle's value is NaN or infinite, the actual one must not be finite either;
 * a bound that is NaN or infinite judges nothing, and counts as a failure rather than as a pass.
 * Not here: how the bound comes about (bounded.ts), when to compare (testing/, cli/).
 */
import { InvalidConfig } from '../util/errors.js';
import type { Bounded, Values } from './bounded.js';

export interface Verdict {
  readonly name: string;
  readonly ok: boolean;
  /** Elements outside their bounds. */
  readonly count: number;
  readonly elements: number;
  /** The element with the largest ratio; −1 in an empty tensor. */
  readonly worstIndex: number;
  readonly actual: number;
  readonly expected: number;
  readonly bound: number;
  /** |actual − expected| / bound of the worst element: 0 … 1 is within, NaN never occurs. */
  readonly ratio: number;
}

const ratioOf = (actual: number, value: number, bound: number): number => {
  if (!Number.isFinite(value)) return Number.isFinite(actual) ? Infinity : 0;
  if (!Number.isFinite(actual) || !Number.isFinite(bound)) return Infinity;
  const distance = Math.abs(actual - value);
  return distance === 0 ? 0 : distance / bound;
};

/** @throws InvalidConfig if the lengths differ. */
export const worstWithin = (name: string, actual: Values, expected: Bounded): Verdict => {
  if (actual.length !== expected.value.length) throw new InvalidConfig({ what: `${name} against the reference`, value: actual.length, limit: `${expected.value.length} values` });
  let worstIndex = actual.length === 0 ? -1 : 0, ratio = 0, count = 0;
  for (let i = 0; i < actual.length; i++) {
    const r = ratioOf(actual[i] as number, expected.value[i] as number, expected.bound[i] as number);
    if (r > 1) count++;
    if (r > ratio) {
      ratio = r;
      worstIndex = i;
    }
  }
  const of = (list: Values): number => list[worstIndex] ?? 0;
  return { name, ok: count === 0, count, elements: actual.length, worstIndex, actual: of(actual), expected: of(expected.value), bound: of(expected.bound), ratio };
};

/** One line for people. */
export const describeVerdict = (v: Verdict): string =>
  `${v.name}: ${v.ok ? 'within the bound' : `${v.count} of ${v.elements} outside their bounds`}` +
  (v.worstIndex < 0 ? '' : `; worst at [${v.worstIndex}]: ${v.actual}, reference ${v.expected} ± ${v.bound} (${v.ratio.toPrecision(3)} of the bound)`);
