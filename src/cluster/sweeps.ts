/**
 * Sweeps of an update: passes over a parameter, each done by all units before the next begins, since a later one needs sums over the whole parameter.
 *
 *   SGD, Adam, AdamW, RMSprop, Lion   one: moments and weights
 *   Lamb                              direction and its sums · weights;   of a sparse weight: direction · sums by dense index · weights
 *   Adafactor                         vectors: squares and sums · weights;   matrices: sums of rows and columns · factors · sums of the direction · weights
 *
 * Sums lie in MemoryX beside the parameter: `statisticsOf` says where. Not here: what a sweep does (memoryx/).
 */
import { isFactored } from '../model/moments.js';
import type { Optimizer } from '../model/optimizer.js';
import { ceilDiv, roundUp } from '../util/units.js';
import { squareLeafFloats } from '../kernels/types.js';

interface Shaped {
  readonly shape: readonly number[];
}

/** Rows of a matrix in one leaf of the sum over a column (docs/numerics.md §6). */
export const columnLeafRows = 64;

/** Sweeps that an update of the parameter takes, 0 … n−1. */
export const sweepsOf = (optimizer: Optimizer, parameter: Shaped, isSparse: boolean): number => {
  if (optimizer.kind === 'lamb') return isSparse ? 3 : 2;
  if (optimizer.kind === 'adafactor') return isFactored(optimizer, parameter) ? 4 : 2;
  return 1;
};

/** Whether the optimizer sums over a whole parameter: shares of units then end on leaves. */
export const sumsOver = ({ kind }: Optimizer): boolean => kind === 'lamb' || kind === 'adafactor';

/** Places of sums, in bytes behind the first, and the bytes of all. Empty where an optimizer has none. */
export interface StatisticsPlan {
  /** Leaves of the sums of squares of weights and of the direction, ⌈size / 1024⌉ each. */
  readonly weights: number;
  readonly direction: number;
  /** Leaves of rows [rows][⌈cols / 1024⌉] and of columns [⌈rows / 64⌉][cols] of the squared gradient. */
  readonly rowLeaves: number;
  readonly columnLeaves: number;
  /** The next moments of rows and columns, and what columns are multiplied by. */
  readonly rows: number;
  readonly columns: number;
  readonly columnFactors: number;
  readonly bytes: number;
}

export const statisticsOf = (optimizer: Optimizer, parameter: Shaped): StatisticsPlan => {
  let bytes = 0;
  const room = (isThere: boolean, floats: number): number => {
    const address = bytes;
    if (isThere) bytes += roundUp(floats * 4, 64);
    return address;
  };
  const size = parameter.shape.reduce((product, n) => product * n, 1), leaves = ceilDiv(size, squareLeafFloats), [rows = 0, cols = 0] = parameter.shape;
  const sums = sumsOver(optimizer), factored = isFactored(optimizer, parameter);
  const places = {
    weights: room(sums, leaves), direction: room(sums, leaves),
    rowLeaves: room(factored, rows * ceilDiv(cols, squareLeafFloats)), columnLeaves: room(factored, ceilDiv(rows, columnLeafRows) * cols),
    rows: room(factored, rows), columns: room(factored, cols), columnFactors: room(factored, cols),
  };
  return { ...places, bytes };
};

/** Moments that a sweep changes where they lie: what a unit saves of a stretch before it works on it. */
export const changedIn = (optimizer: Optimizer, parameter: Shaped, moments: readonly number[], sweep: number): readonly number[] => {
  if (optimizer.kind === 'lamb') return sweep === 0 ? moments : [];
  if (optimizer.kind !== 'adafactor') return moments;
  if (isFactored(optimizer, parameter)) return sweep === 3 ? moments.slice(2) : [];
  return sweep === 0 ? moments.slice(0, 1) : moments.slice(1);
};
