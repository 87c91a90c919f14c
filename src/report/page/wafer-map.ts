/**
 * What each tile of the fullest wafer does in a step, from columns and rows alone.
 *
 *   Work.map, Price ─metricsOf─▶ work, waiting, SRAM, traffic of tile (column, row) ─▶ wafer.tsx
 *
 * Not here: pixels and colours (wafer-draw.ts).
 */
import type { Price } from '../../timing/types.js';
import type { WaferMap, Work } from '../../trace/work.js';
import { kibibytes, many, percent, seconds } from './format.js';

export interface Metric {
  readonly key: 'work' | 'waiting' | 'sram' | 'traffic';
  readonly name: string;
  readonly unit: string;
  /** What the number is, and how it is found. */
  readonly help: string;
  readonly at: (column: number, row: number) => number;
  readonly show: (value: number) => string;
  /** A limit that the colours reach up to; else the largest value. */
  readonly limit?: number;
}

const of = (list: readonly number[], i: number): number => {
  const value = list[i];
  if (value === undefined) throw new RangeError(`the wafer has no column or row ${i}`);
  return value;
};

export const macsAt = (map: WaferMap, column: number, row: number): number => of(map.products, column) * of(map.tokens, row) + of(map.scores, column) * of(map.pairs, row);

export interface Extent {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

export const extentOf = (map: WaferMap, at: Metric['at']): Extent => {
  let min = Number.POSITIVE_INFINITY, max = Number.NEGATIVE_INFINITY, sum = 0;
  const columns = map.products.length, rows = map.tokens.length;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = at(column, row);
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
    }
  }
  return { min, max, mean: sum / (columns * rows) };
};

/** Seconds a step in which the fullest tile is at work. */
export const busySeconds = (price: Price): number => price.passes.reduce((sum, pass) => sum + pass.demands.tile * pass.timesAStep, 0);

/** What two in a hundred of the tiles above nought stay below, so that a few odd rows do not decide the colours of all; 0 where none is. */
export const lowOf = (map: WaferMap, at: Metric['at']): number => {
  const columns = map.products.length, rows = map.tokens.length, values = new Float64Array(columns * rows);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = at(column, row);
      if (value > 0) values[count++] = value;
    }
  }
  return values.subarray(0, count).toSorted()[Math.floor(count * 0.02)] ?? 0;
};

export const metricsOf = ({ map, sram }: Work, price: Price): readonly Metric[] => {
  const most = extentOf(map, (column, row) => macsAt(map, column, row)).max, busy = busySeconds(price), step = price.step.seconds;
  const waiting = (column: number, row: number): number => step - (most === 0 ? 0 : busy * (macsAt(map, column, row) / most));
  return [
    { key: 'work', name: 'Work', unit: 'multiply-adds', help: 'Multiply-adds of a tile in one step.', at: (column, row) => macsAt(map, column, row), show: many },
    {
      key: 'waiting', name: 'Waiting', unit: 'of the step', at: waiting, show: (value) => `${seconds(value)} (${percent(value / step)})`,
      help: 'Seconds of the step in which a tile has nothing to do: the step, less the busy seconds of the fullest tile in proportion to this tile’s multiply-adds.',
    },
    {
      key: 'sram', name: 'SRAM', unit: 'held', limit: sram.limitBytes, show: kibibytes, at: (column, row) => sram.codeBytes + sram.streamBytes + of(map.activationBytes, column) * of(map.heldTokens, row),
      help: `Bytes that a tile holds: code, buffers of the streams, activations of the tokens that are there at a time. The limit is ${kibibytes(sram.limitBytes)}.`,
    },
    {
      key: 'traffic', name: 'Traffic', unit: 'wavelets', at: (column, row) => of(map.south, column) + of(map.east, column) * of(map.tokens, row), show: many,
      help: 'Wavelets that reach a tile in one step: weights from the north, partial sums along its row.',
    },
  ];
};

/** Neighbours that are alike, as one range: the figures of the map as a table that can be read. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly values: readonly number[];
}

export const stretchesOf = (lists: readonly (readonly number[])[]): readonly Stretch[] => {
  const found: Stretch[] = [];
  for (let i = 0; i < (lists[0]?.length ?? 0); i++) {
    const values = lists.map((list) => of(list, i)), last = found.at(-1);
    if (last !== undefined && last.values.every((value, k) => value === values[k])) found[found.length - 1] = { ...last, to: i };
    else found.push({ from: i, to: i, values });
  }
  return found;
};
