/**
 * How evenly a mask loads a wafer: the columns of tiles hold runs of inputs, and a column multiplies what is stored in its own.
 *
 *   mask, edges of the columns ─▶ stored positions of each column, their maximum over their mean
 *
 * Not here: masks that are balanced by design (cells.ts), placement (compiler/), time (timing/).
 */
import { assert } from '../util/errors.js';

export interface ColumnLoads {
  /** Stored positions of each column of tiles. */
  readonly columns: readonly number[];
  readonly max: number;
  readonly mean: number;
  /** max / mean: 1 is even; the slowest column is so many times behind. 1 where nothing is stored. */
  readonly imbalance: number;
}

/** `edges`: first input of each column and, last, the number of inputs, as the program has them. */
export const loadOfColumns = (mask: Uint8Array, inputs: number, outputs: number, edges: readonly number[]): ColumnLoads => {
  assert(edges.length > 1 && edges[0] === 0 && edges.at(-1) === inputs && mask.length === inputs * outputs, 'columns hold all inputs');
  const columns = edges.slice(1).map((end, c) => {
    let stored = 0;
    for (let at = (edges[c] as number) * outputs; at < end * outputs; at++) stored += mask[at] as number;
    return stored;
  });
  const max = columns.reduce((most, stored) => Math.max(most, stored), 0), mean = columns.reduce((sum, stored) => sum + stored, 0) / columns.length;
  return { columns, max, mean, imbalance: mean === 0 ? 1 : max / mean };
};
